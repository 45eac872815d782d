"""How well `autograder similar` tells copies from answers written apart: on answers made for it, not by students.

python benchmarks/similar.py
"""

import itertools
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

import alike_essays
import alike_set

from autograder.course import Course
from autograder.similar.answers import Answer, Cell
from autograder.similar.compare import alike

ESSAY = Cell("", "", is_essay=True, given="")
CODE = Cell("", "", is_essay=False, given="")


def count(cell: Cell, texts: list[str]) -> int:
    """How many pairs of these are shown as alike."""
    return len(alike(cell, [Answer(str(number), "", text) for number, text in enumerate(texts)]))


def measure(cell: Cell, sets: list[list[str]], disguises: dict) -> None:
    """Print recall by disguise, how many pairs written apart are shown, and the precision that follows."""
    copies = found = 0
    for name, disguise in disguises.items():
        tried = [count(cell, [text, disguise(text)]) for texts in sets for text in texts]
        copies, found = copies + len(tried), found + sum(tried)
        print(f"  {name:<20} {sum(tried)} of {len(tried)} found")
    apart = sum(len(list(itertools.combinations(texts, 2))) for texts in sets)
    wrong = sum(count(cell, texts) for texts in sets)
    print(f"  written apart        {wrong} of {apart} pairs shown")
    print(f"  recall {found / copies:.3f}, precision {found / (found + wrong):.3f} of these {copies + apart} pairs")


def main() -> None:
    course = Course(ROOT, ROOT / "classroom")
    print("code, answers of 4 lines and more")
    measure(CODE, [alike_set.apart(course, *cell) for cell in alike_set.CELLS], alike_set.DISGUISES)
    print("essays, English")
    measure(ESSAY, [alike_essays.ENGLISH], alike_essays.DISGUISES)
    print("essays, Chinese")
    measure(ESSAY, [alike_essays.CHINESE], alike_essays.DISGUISES)


if __name__ == "__main__":
    main()
