"""How much longer a class takes with five of the worst among its thirty: python benchmarks/hostile_class.py

The honest ones are graded by themselves, then the whole class, each in a new classroom with two workers. The figure is
the second time as a multiple of the first; both are measured several times in turn, and the median counts. Then the
same with five that take all the time they are given: there, too, how long the honest ones' results were waited for.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from attack_corpus import EXERCISE, Attack, attacks, hand_in_honest, make_course

from autograder.authoring.release import prepare
from autograder.grading.grade import grade

CLASS, WORKERS = 30, 2
WORST = (
    "makes others wait for library files",
    "sends a byte out of band",
    "files without a name, each kept by one page of memory",
    "shows a million objects in one output",
    "recursions without end, one after the other",
)
TIME_TAKERS = (
    "a loop without end",
    "a loop without end that swallows interrupts",
    "a loop without end when it is checked",
    "ignores signals and sleeps",
    "hangs in C",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--times", type=int, default=3, help="how often each is measured")
    times = parser.parse_args().times
    warnings.simplefilter("ignore")
    worst, takers = (tuple(one for one in attacks() if one.name in names) for names in (WORST, TIME_TAKERS))
    assert (len(worst), len(takers)) == (len(WORST), len(TIME_TAKERS))
    rounds = [[seconds(hostile) for hostile in ((), worst, takers)] for _ in range(times)]
    (alone, _), (second, _), (third, honest_third) = (
        [statistics.median(one) for one in zip(*measured, strict=True)] for measured in zip(*rounds, strict=True)
    )
    figures = {"honest_s": alone, "class_s": second, "ratio": second / alone}
    figures |= {"class_with_loops_s": third, "honest_among_loops_s": honest_third, "loops_ratio": third / alone}
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}))


def seconds(hostile: Sequence[Attack]) -> tuple[float, float]:
    """How long it takes to grade the honest ones and these; and until the last honest one's result is there."""
    with tempfile.TemporaryDirectory() as folder:
        course = make_course(Path(folder))
        honest = [f"honest{number:02}" for number in range(CLASS - len(WORST))]
        hand_in_honest(course, honest)
        for number, attack in enumerate(hostile):
            path = course.notebook("submitted", f"honest{5 * number:02}-hostile", EXERCISE)
            path.parent.mkdir(parents=True)
            attack.hand_in(course, path)
        prepare(course, [EXERCISE])
        begin = last = time.perf_counter()
        results = {}
        for result, _ in grade(course, jobs=WORKERS):
            results[result.student] = result
            last = time.perf_counter() if result.student in honest else last
        took = time.perf_counter() - begin
        assert {results[name].points for name in honest} == {10}
    return took, last - begin


if __name__ == "__main__":
    main()
