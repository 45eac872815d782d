"""The essay desk: which answers are found alike, and how long its reader waits in a class of a thousand.

    python benchmarks/essays.py alike                   # precision and recall at each threshold, and at the chosen ones
    python benchmarks/essays.py speed                   # in a browser: the next essay; from a key to "saved"
    python benchmarks/essays.py speed --students 60 --folder classes   # keep the class there for the next time

Essays are made by tests/support/essay_class.py. The thresholds (NEAR in autograder/desk/alike.py) were chosen on the
seeds 1 and 2; what is printed of the chosen ones is of others.
"""

import argparse
import itertools
import re
import statistics
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

import essay_class
from browser import CHROMIUM, FLAGS, jupyterlab

from autograder.cells import CHINESE_HALF, is_answer, read_notebook, role
from autograder.course import CLASSROOM_VARIABLE, Course
from autograder.desk.alike import NEAR, groups

THRESHOLDS = (0.40, 0.45, 0.50, 0.55, 0.60, 0.65, 0.70)
CHOSEN_ON, PRINTED_OF = (1, 2), (3, 4, 5)
EXERCISES = ("04_advantages", "05_common_ground", "09_choosing_beta")

# Alike


def print_alike() -> None:
    """Pairs of essays: of those found, how many are alike; of those alike, how many are found."""
    sets = [essay_class.known_groups(exercise, seed) for exercise in essay_class.EXERCISES for seed in CHOSEN_ON]
    print("made essays, to choose by: threshold, then precision and recall of pairs")
    for near in THRESHOLDS:
        words = [_shown(sets, dict.fromkeys(NEAR, near), language) for language in NEAR]
        print(f"  {near:.2f}   " + "   ".join(words))
    others = [essay_class.known_groups(exercise, seed) for exercise in essay_class.EXERCISES for seed in PRINTED_OF]
    print(f"\nothers, at {NEAR}:")
    print("          " + "   ".join(_shown(others, NEAR, language) for language in NEAR))
    own = [list(_model_answers(exercise)) for exercise in essay_class.EXERCISES]
    print("\nthe course's model answers, each with three copies that were gone over, among made essays:")
    print("          " + "   ".join(_shown(own, NEAR, language) for language in NEAR))


def _shown(sets: Sequence[Sequence[essay_class.Made]], near: dict[str, float], language: str) -> str:
    right, found, known = _pairs(sets, near, language)
    return f"{language}: {right / max(found, 1):.3f} {right / max(known, 1):.3f} ({known} pairs)"


def _pairs(sets: Sequence[Sequence[essay_class.Made]], near: dict[str, float], language: str) -> tuple[int, int, int]:
    """Pairs that are alike and found, found, and alike."""
    right = found_in_all = known_in_all = 0
    for made in sets:
        found = {
            pair for group in groups([one.text for one in made], near) for pair in itertools.combinations(group, 2)
        }
        its = [place for place, one in enumerate(made) if one.language == language]
        known = {pair for pair in itertools.combinations(its, 2) if made[pair[0]].group == made[pair[1]].group}
        found = {pair for pair in found if set(pair) <= set(its)}
        right, found_in_all, known_in_all = (
            right + len(found & known),
            found_in_all + len(found),
            known_in_all + len(known),
        )
    return right, found_in_all, known_in_all


def _model_answers(exercise: str) -> Iterator[essay_class.Made]:
    """The source's own essay in both languages, three copies of each, and essays that are not like it."""
    import random

    chance = random.Random(exercise)
    cells = read_notebook(ROOT / "solutions" / f"{exercise}.ipynb").cells
    source = next(cell.source for cell in cells if is_answer(cell) and role(cell).get("grade"))
    halves = CHINESE_HALF.split(source)
    if len(halves) == 1:  # English, then Chinese, without a mark between
        place = re.search(r"^.*[\u4e00-\u9fff].*$", source, re.MULTILINE)
        assert place
        halves = [source[: place.start()], source[place.start() :]]
    for number, (language, text) in enumerate(zip(("en", "zh"), halves, strict=True)):
        yield essay_class.Made(text, language, -1 - number)
        for _ in range(3):
            yield essay_class.Made(essay_class.gone_over(text, language, chance), language, -1 - number)
    yield from essay_class.known_groups(exercise, seed=6)


# Speed

NEXT = """key => new Promise(done => {
    const began = performance.now(), shown = document.body.dataset.shown;
    const watch = () => document.body.dataset.shown !== shown
        ? requestAnimationFrame(() => done(performance.now() - began)) : setTimeout(watch, 1);
    document.body.dispatchEvent(new KeyboardEvent("keydown", {key, code: "KeyN", bubbles: true}));
    watch();
})"""
SAVED = """number => new Promise(done => {
    const began = performance.now(), state = document.getElementById("state");
    document.body.dispatchEvent(new KeyboardEvent("keydown", {key: number, code: "Digit" + number, bubbles: true}));
    const watch = () => state.dataset.state === "saved" ? done(performance.now() - began) : setTimeout(watch, 1);
    watch();
})"""


def print_speed(students: int, folder: Path, rounds: int) -> None:
    """What a reader waits for, in milliseconds."""
    course = _class(folder, students)
    where = {CLASSROOM_VARIABLE: str(course.classroom)}
    print(f"{students} students, {len(EXERCISES)} exercises; milliseconds: median, nine in ten, worst")
    with jupyterlab(course.root, "/essays", cwd=course.root, **where) as address:
        for name, found in (
            *_at_the_desk(address, rounds).items(),
            *_in_the_formgrader(course, address, rounds).items(),
        ):
            deciles = statistics.quantiles(found, n=10)
            print(f"  {name:<42} {statistics.median(found):8.1f} {deciles[-1]:8.1f} {max(found):8.1f}")
    theirs, ours = _query(course)
    print(f"  {'neighbours of a submission: nbgrader, here':<42} {theirs:8.1f} {ours:8.1f}")


def _class(folder: Path, students: int) -> Course:
    root = folder / f"essays-{students}"
    if not (root / "classroom" / "gradebook.db").is_file():
        essay_class.make(root, students, EXERCISES)
    return Course(root, root / "classroom")


def _at_the_desk(address: str, rounds: int) -> dict[str, list[float]]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        opened = []
        for _ in range(3):
            began = time.perf_counter()
            page.goto(f"{address}/essays/{EXERCISES[0]}/essay")
            page.locator("body[data-shown]").wait_for()
            opened.append(1000 * (time.perf_counter() - began))
        began = time.perf_counter()
        page.locator("#alike-open", has_text=re.compile("alike: see|No other")).wait_for(timeout=600_000)
        alike = 1000 * (time.perf_counter() - began)
        saved, following = [], []
        for number in range(rounds):
            saved.append(page.evaluate(SAVED, str(1 + number % 3)))
            following.append(page.evaluate(NEXT, "n"))
            page.wait_for_timeout(300)  # a person reads
        hasty = []
        for _ in range(rounds):
            page.evaluate(SAVED, "1")
            hasty.append(page.evaluate(NEXT, "n"))
        browser.close()
    return {
        "desk: opened": opened,
        "desk: answers alike, found beside": [alike, alike],
        "desk: next essay": following,
        "desk: next essay, nothing read of the last": hasty,
        "desk: from a key to saved": saved,
    }


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The page that is next is not asked for."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _in_the_formgrader(course: Course, address: str, rounds: int) -> dict[str, list[float]]:
    from autograder.gradebook.essay_marks import essay_rows, essays
    from autograder.gradebook.writer import open_gradebook

    with open_gradebook(course) as opened:
        ids = sorted(row.id for row in essay_rows(opened.gradebook.db, essays(opened.gradebook.db)[0]))
    times: dict[str, list[float]] = {"formgrader: a submission's page": [], "formgrader: which is next": []}
    for one in ids[: min(rounds, 12)]:
        for name, path in zip(times, (f"{one}/", f"{one}/next"), strict=True):
            request = urllib.request.build_opener(_NoRedirect)
            began = time.perf_counter()
            try:
                request.open(f"{address}/formgrader/submissions/{path}").read()
            except urllib.error.HTTPError as error:  # 302, for the second
                error.close()
            times[name].append(1000 * (time.perf_counter() - began))
    return times


def _query(course: Course) -> tuple[float, float]:
    """Milliseconds for the places of a notebook's submissions: nbgrader's way, and ours."""
    from autograder.gradebook.writer import open_gradebook
    from autograder.jupyter.formgrader import submission_ids
    from autograder.nbgrader_setup import nbgrader_api

    with open_gradebook(course) as opened:
        database, folders = opened.gradebook.db, opened.folders
        api = nbgrader_api(course)
        theirs = _timed(lambda: api.get_notebook_submission_indices(EXERCISES[0], EXERCISES[0]))
        ours = _timed(lambda: submission_ids(database, folders, EXERCISES[0], EXERCISES[0]))
    return theirs, ours


def _timed(work: Callable[[], Any]) -> float:
    found = []
    for _ in range(5):
        began = time.perf_counter()
        work()
        found.append(1000 * (time.perf_counter() - began))
    return statistics.median(found)


def _main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("what", choices=("alike", "speed"))
    options.add_argument("--students", type=int, default=1000)
    options.add_argument("--rounds", type=int, default=40)
    options.add_argument("--folder", type=Path, help="where the class is made, and kept (default: nowhere)")
    given = options.parse_args()
    if given.what == "alike":
        print_alike()
    elif given.folder:
        print_speed(given.students, given.folder.resolve(), given.rounds)
    else:
        with tempfile.TemporaryDirectory() as folder:
            print_speed(given.students, Path(folder), given.rounds)


if __name__ == "__main__":
    _main()
