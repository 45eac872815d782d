"""How much longer a class takes with five of the worst among its thirty: python benchmarks/hostile_class.py

The honest ones are graded by themselves, then the whole class, each in a new classroom with two workers. The figure is
the second time as a multiple of the first; both are measured several times in turn, and the median counts.
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--times", type=int, default=3, help="how often each is measured")
    times = parser.parse_args().times
    warnings.simplefilter("ignore")
    hostile = [attack for attack in attacks() if attack.name in WORST]
    assert len(hostile) == len(WORST)
    alone, together = [], []
    for _ in range(times):
        alone.append(seconds([]))
        together.append(seconds(hostile))
    first, second = statistics.median(alone), statistics.median(together)
    print(json.dumps({"honest_s": round(first, 1), "class_s": round(second, 1), "ratio": round(second / first, 2)}))


def seconds(hostile: Sequence[Attack]) -> float:
    """How long it takes to grade the honest ones and these."""
    with tempfile.TemporaryDirectory() as folder:
        course = make_course(Path(folder))
        honest = [f"honest{number:02}" for number in range(CLASS - len(WORST))]
        hand_in_honest(course, honest)
        for number, attack in enumerate(hostile):
            path = course.notebook("submitted", f"honest{5 * number:02}-hostile", EXERCISE)
            path.parent.mkdir(parents=True)
            attack.hand_in(course, path)
        prepare(course, [EXERCISE])
        begin = time.perf_counter()
        results = {result.student: result for result, _ in grade(course, jobs=WORKERS)}
        took = time.perf_counter() - begin
        assert {results[name].points for name in honest} == {10}
    return took


if __name__ == "__main__":
    main()
