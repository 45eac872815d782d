#!/usr/bin/env bash
# Gradescope runs this once, when it builds the image: a Python of its own with all that grading needs.
set -euo pipefail
root="${AUTOGRADER_ROOT:-/autograder}"
project="$root/source/project"

new_enough() { command -v "$1" > /dev/null && "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; }

python=""
find_python() {
  for one in python3 python3.13 python3.12 python3.11; do
    if new_enough "$one"; then python="$one"; return 0; fi
  done
  return 1
}

if ! find_python; then
  apt-get update
  for version in 3.13 3.12 3.11; do
    apt-get install -y "python$version" "python$version-venv" || continue
    find_python && break
  done
fi
if [ -z "$python" ]; then
  echo "no Python 3.11 or newer can be installed here: choose a newer base image in Gradescope (Ubuntu 22.04 or 24.04)" >&2
  exit 1
fi
"$python" -m venv "$root/venv"
# PyTorch's wheels for processors alone are a tenth as large
"$root/venv/bin/python" -m pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu \
  -c "$project/constraints.txt" "$project[grade,torch]"
chmod -R go-rwx "$root/source"
