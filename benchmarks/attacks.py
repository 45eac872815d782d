"""Hostile submissions (tests/support/attack_corpus.py) in stock nbgrader, and the table of both graders.

    sudo .venv/bin/python benchmarks/attacks.py   # run all through stock nbgrader: half an hour on one core
    python benchmarks/attacks.py --table          # write docs/attacks.md from what was measured

Stock is nbgrader's own sanitize and autograde steps, with a time limit of 30 s a cell. Each submission runs
in a course of its own, as the user nobody, in namespaces of its own: the disk is read-only but for a scratch
folder in memory, and processes and memory have limits. Writes benchmarks/results/attacks.json.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")  # else jupyter_core warns

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

from attack_corpus import EARNED, EXERCISE, MARKER, SECRET, attacks, hand_in_honest, make_course
from intake_attacks import ATTACKS as DOWNLOAD_ATTACKS

from autograder.authoring.release import prepare
from autograder.course import Course
from autograder.nbgrader_setup import nbgrader_api

RESULTS = ROOT / "benchmarks" / "results" / "attacks.json"
PAGE = ROOT / "docs" / "attacks.md"
SECONDS = 300  # for one submission; then it is ended
CONFINED = (
    "mount --make-rprivate / && mount -t tmpfs -o size=400m,mode=777 none /mnt && mount -t tmpfs none /dev/shm && "
    "{python}mount -o remount,ro,bind / && cd /mnt && "
    "exec setpriv --reuid 65534 --regid 65534 --clear-groups prlimit --nproc=200 --as=6000000000 --core=0 "
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", action="store_true", help="write docs/attacks.md")
    parser.add_argument("--one", type=int, help="run this one here, unconfined but for what surrounds it")
    parser.add_argument("--only", type=int, nargs="*", help="run these alone")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.one is not None:
        print("\n" + json.dumps(stock(options.one)))
    elif options.table:
        PAGE.write_text(table(json.loads(RESULTS.read_text("utf-8"))), "utf-8")
    else:
        with TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            grade_honest(Path(folder))
            run_all(Path(folder), options.only)


def run_all(honest: Path, only: list[int] | None) -> None:
    """Run the attacks, and keep what came of each. honest: the course to begin from."""
    known = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    for number, attack in enumerate(attacks()):
        if only is None or number in only:
            known[attack.name] = confined(number, honest)
            print(f"{number:3} {attack.name}: {known[attack.name]}", flush=True)
            RESULTS.write_text(json.dumps(known, indent=1) + "\n", "utf-8")


def grade_honest(folder: Path) -> None:
    """Make a course with one honest student, graded."""
    course = make_course(folder / "course")
    (course.root / "tmp").mkdir()
    hand_in_honest(course, ["honest"])
    prepare(course, [EXERCISE])
    stock_api(course).autograde(EXERCISE, "honest", force=True, create=True)


def python_for_all() -> str:
    """Commands by which Python can be run by nobody, where it lies in a folder that is closed to others."""
    python = Path(sys.base_prefix).resolve()
    closed = next((path for path in reversed(python.parents) if not path.stat().st_mode & 0o001), None)
    if closed is None:
        return ""
    return (
        f"mkdir /mnt/python && mount --bind {python} /mnt/python && mount -t tmpfs -o mode=755 none {closed} && "
        f"mkdir -p {python} && mount --move /mnt/python {python} && rmdir /mnt/python && "
    )


def confined(number: int, honest: Path) -> str:
    """What stock made of one attack, in words. Raises SystemExit if it can't be run."""
    inside = CONFINED.replace("{python}", python_for_all())
    inner = f"{inside} {sys.executable} -B {Path(__file__).resolve()} --one {number}"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HONEST": str(honest)}
    environment |= {"HOME": "/mnt", "TMPDIR": "/mnt"}
    command = ["unshare", "-m", "-p", "-i", "--fork", "--kill-child", "--mount-proc", "sh", "-c", inner]
    run = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        shown, errors = run.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        run.kill()
        run.wait()
        return f"the grader does not come to an end (stopped after {SECONDS} s)"
    try:
        return in_words(json.loads(shown.strip().splitlines()[-1]))
    except (IndexError, ValueError):
        if run.returncode in (128 + signal.SIGKILL, -signal.SIGKILL):
            return "the grader is killed"
        if "prlimit: " in errors or "mount: " in errors or "setpriv: " in errors:
            raise SystemExit(f"it can't be confined here: {errors}") from None
        return f"the grader stops: {(errors.strip().splitlines() or ['no words'])[-1][:120]}"


def stock(number: int) -> dict[str, Any]:
    """Grade one attack with stock nbgrader, here and now."""
    shutil.copytree(Path(os.environ["HONEST"]) / "course", "/mnt/course")
    course = Course(Path("/mnt/course"), Path("/mnt/course/classroom"))
    path = course.notebook("submitted", "attacker", EXERCISE)
    path.parent.mkdir(parents=True)
    attacks()[number].hand_in(course, path)
    os.environ["A_TOKEN"] = SECRET
    api = stock_api(course)
    before = state(course)
    outcome = api.autograde(EXERCISE, "attacker", force=True, create=True)
    page = course.notebook("feedback", "attacker", EXERCISE, ".html")
    graded = course.notebook("autograded", "attacker", EXERCISE)
    if graded.is_file():
        api.generate_feedback(EXERCISE, "attacker", force=True)
    return {
        "success": outcome["success"],
        "error": last_words(str(outcome.get("error", "") or outcome.get("log", ""))),
        "points": score(course, "attacker"),
        "secret": "SECRET" in printed(read_json(graded)),
        "script": page.is_file() and f"<script>{MARKER}" in page.read_text("utf-8", "replace"),
        "changed": before != state(course),
        "left": any(b"sleep\x004711" in read_bytes(path) for path in Path("/proc").glob("[0-9]*/cmdline")),
    }


def stock_api(course: Course) -> Any:
    """nbgrader's interface to the course, with nbgrader's own steps."""
    from nbgrader.converters import Autograde, GenerateFeedback

    api = nbgrader_api(course)
    for name in ("autograde_preprocessors", "sanitize_preprocessors"):
        api.config.Autograde[name] = Autograde.class_traits()[name].default()
    api.config.Autograde.exporter_class = "nbconvert.exporters.NotebookExporter"
    api.config.GenerateFeedback.preprocessors = GenerateFeedback.class_traits()["preprocessors"].default()
    api.config.Execute.timeout = 30
    api.config.Execute.startup_timeout = 300
    return api


def state(course: Course) -> tuple[Any, ...]:
    """What no submission may change."""
    files = [course.root / "secret.txt", course.solutions / f"{EXERCISE}.ipynb"]
    files += sorted(
        path for path in course.classroom.glob("s*/**/*") if path.is_file() and "attacker" not in path.parts
    )
    times = [path.stat().st_mtime for path in files if path.is_file()]
    return [read_bytes(path) for path in files], times, score(course, "honest"), *course.root.glob("pwned")


def score(course: Course, student: str) -> float | None:
    """A student's points in the gradebook."""
    from nbgrader.api import MissingEntry

    try:
        with nbgrader_api(course).gradebook as gradebook:
            return gradebook.find_submission(EXERCISE, student).score
    except MissingEntry:
        return None
    except Exception as error:
        return repr(error)[:80]


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def read_json(path: Path) -> dict[str, Any]:
    return json.loads(read_bytes(path) or b"{}")


def printed(notebook: dict[str, Any]) -> str:
    """What cells showed, but for errors; attacks write SECRET where something worked that must not."""
    outputs = [output for cell in notebook.get("cells", []) for output in cell.get("outputs", [])]
    return json.dumps([output for output in outputs if output["output_type"] != "error"])


def last_words(text: str) -> str:
    """The last error in a log that says something."""
    found = re.findall(r"^(?:\w+\.)*(\w*(?:Error|Exception|Died)\b.*)", text, re.MULTILINE)
    return next((line[:120] for line in reversed(found) if "Please see the" not in line), "")


def in_words(found: dict[str, Any]) -> str:
    words = []
    if not found["success"]:
        words.append(f"no score, nbgrader fails ({found['error']})" if found["error"] else "no score, nbgrader fails")
    elif found["points"] != EARNED:
        words.append(f"{found['points']:g} points" if isinstance(found["points"], (int, float)) else "no score")
    words += ["a secret comes out"] if found["secret"] else []
    words += ["a script in the feedback"] if found["script"] else []
    words += ["files, or a neighbour's points, are changed"] if found["changed"] else []
    words += ["a process lives on"] if found["left"] else []
    return "; ".join(words) or "nothing gained"


def table(measured: dict[str, str]) -> str:
    """docs/attacks.md."""
    kinds = list(dict.fromkeys(attack.kind for attack in attacks()))
    lines = [PREFACE.format(count=len(attacks()), kinds=len(kinds))]
    kind = ""
    for attack in sorted(attacks(), key=lambda attack: kinds.index(attack.kind)):
        if attack.kind != kind:
            kind = attack.kind
            lines += ["", f"## {kind.capitalize()}", "", "| attack | stock nbgrader 0.9.6 | here |", "|---|---|---|"]
        here = "any verdict" if attack.verdict == "*" else attack.verdict
        here += f"; reported: “{attack.words}…”" if attack.words else ""
        cells = (attack.name, measured.get(attack.name, "not run"), here)
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |")
    lines += ["", DOWNLOADS.format(count=len(DOWNLOAD_ATTACKS)), "", "| in a download | said of it |", "|---|---|"]
    for attack in DOWNLOAD_ATTACKS:
        lines.append(
            f"| {attack.name} | {f'left: “…{attack.words}…”' if attack.words else 'taken or left, under a safe name'} |"
        )
    return "\n".join(lines) + "\n"


DOWNLOADS = """## Downloads

{count} hostile files and archives, each in a download beside an honest one. `tests/whole/test_intake_attacks.py` holds
for each that the honest one is taken, that nothing is written outside the classroom, no link in it, and what is said
holds no character that a terminal would obey. `tests/whole/test_fuzz_intake.py` does the same with archives at random,
`tests/whole/test_fuzz_channel.py` with what a student's process may send."""

PREFACE = """# Hostile submissions

Made by `python benchmarks/attacks.py --table`; do not edit. {count} submissions of {kinds} kinds, each of which
earned one point by honest work before it turned hostile. `tests/whole/test_attacks.py` grades them in one class
(with `--everything`, as CI does, all of them; otherwise a quarter, drawn at random) with honest neighbours and holds,
for each: that point and no other (none where the file is not gradable); the verdict below; no planted secret in
outputs, messages or feedback; no script in the feedback; nothing changed, left running or left on the disk; all
neighbours' points as they were. `tests/whole/test_attacks_everywhere.py` takes the attacks on points to the other
exercises, and to checks that run in the student's process, where nothing is gained without a flag.

The middle column is measured by the same script, without `--table`: the same submission through nbgrader's own
steps, confined so that it can harm nothing but a scratch course. “Nothing gained” means one point, too; “not run”,
that nobody has measured it yet. What is done about each kind is in
[security.md](security.md)."""


if __name__ == "__main__":
    main()
