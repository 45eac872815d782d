"""How long each way of installing takes, and how much it is: the table in the README.

    python benchmarks/installs.py            # all of them, each in a clean environment; some GB, some minutes
    python benchmarks/installs.py lab grade  # these

Seconds are the processor's, without what pip waits for a network, with an empty cache; megabytes are the files'.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WAYS = ("", "torch", "lab", "lab,torch", "grade", "grade,torch", "finetune", "cluster", "test")


def main() -> None:
    """Print a row of the table for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ways", nargs="*", default=WAYS, help="extras, several as in lab,torch")
    print("| `pip install` | packages | MB | processor seconds |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        wheel = build(Path(scratch))
        for number, way in enumerate(parser.parse_args().ways):
            seconds, megabytes, packages = install(wheel, way, Path(scratch) / str(number))
            name = f"simpo-practice[{way}]" if way else "simpo-practice"
            print(f"| `{name}` | {packages} | {megabytes:,.0f} | {seconds:.0f} |", flush=True)


def build(folder: Path) -> Path:
    """This project's wheel."""
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, ROOT], check=True)
    return next(folder.glob("*.whl"))


def install(wheel: Path, extras: str, environment: Path) -> tuple[float, float, int]:
    """Seconds, megabytes and packages of one way, in an environment of its own, which is removed."""
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    before, start = size(environment), spent()
    what = f"{wheel}[{extras}]" if extras else str(wheel)
    command = [python, "-m", "pip", "install", "-q", "--no-cache-dir", "-c", ROOT / "constraints.txt", what]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    seconds = spent() - start
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], check=True, capture_output=True, text=True
    )
    found = seconds, size(environment) - before, len(listed.stdout.splitlines()) - 1  # pip itself
    subprocess.run([sys.executable, "-c", "import shutil, sys; shutil.rmtree(sys.argv[1])", environment], check=True)
    return found


def spent() -> float:
    """Seconds of processor time of all programs that have been run to their end."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def size(folder: Path) -> float:
    """Megabytes of the files in a folder; one that has several names counts once."""
    return sum({(s := path.lstat()).st_ino: s.st_size for path in folder.rglob("*") if path.is_file()}.values()) / 1e6


if __name__ == "__main__":
    main()
