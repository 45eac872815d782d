"""How alike two answers to one cell are, in what a copy keeps.

Code: `copydetect` takes out names, comments, layout and texts, and compares runs of what is left (Schleimer, Wilkerson
and Aiken 2003, winnowing; with a window of 1, because answers are short). Essays: the share of runs of five letters,
Latin or Chinese, that stand in both. What was given with the cell is left out of either.

How well that works, measured on answers that were written for it: `benchmarks/similar.py`.
"""

import difflib
import io
import re
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np

from autograder.similar.answers import Answer, Cell

RUN = 20  # characters of code without names, layout and comments
LETTERS = 5  # of an essay
CODE_FROM, ESSAY_FROM = 0.55, 0.3  # from here on two answers are shown
LEAST = 40  # characters of code that must stand in both, however short the answers
SHORTEST = 12  # letters of an essay that are marked where they stand in both
Spans = tuple[tuple[int, int], ...]  # from, to


@dataclass(frozen=True)
class Alike:
    """Two answers to one cell. others: how many more answers are as much like either of the two."""

    cell: Cell
    left: Answer
    right: Answer
    similarity: float  # 0 to 1: the share of the answer that stands in the other, of that with the smaller share
    others: int
    marks: tuple[Spans, Spans] = field(default=((), ()))

    @property
    def is_same(self) -> bool:
        """To the letter."""
        return self.left.text.strip() == self.right.text.strip()


def alike(cell: Cell, answers: Sequence[Answer]) -> list[Alike]:
    """The pairs of answers that are alike, of whom at least one is in the present class; the most alike first."""
    if len(answers) < 2:
        return []
    found = _essays(cell, answers) if cell.is_essay else _code(cell, answers)
    near = np.zeros((len(answers), len(answers)), bool)
    for one, other, _, _ in found:
        near[one, other] = near[other, one] = True
    made = []
    for one, other, similarity, marks in found:
        if answers[one].folder and answers[other].folder:
            continue
        both = near[one] | near[other]
        both[[one, other]] = False
        made.append(Alike(cell, answers[one], answers[other], similarity, int(both.sum()), marks))
    return sorted(made, key=lambda pair: -pair.similarity)


_Found = tuple[int, int, float, tuple[Spans, Spans]]


def _code(cell: Cell, answers: Sequence[Answer]) -> list[_Found]:
    from copydetect import CodeFingerprint, compare_files
    from copydetect.utils import get_token_coverage

    given = CodeFingerprint("given.py", RUN, 1, fp=io.StringIO(cell.given)).hashes
    prints = []
    for answer in answers:
        one = CodeFingerprint("answer.py", RUN, 1, fp=io.StringIO(answer.text))
        one.hashes -= given
        one.hash_idx = {key: places for key, places in one.hash_idx.items() if key not in given}
        one.token_coverage = get_token_coverage(one.hash_idx, RUN, len(one.filtered_code))
        prints.append(one)
    found = []
    for one, other, _ in _candidates([sorted(each.hashes) for each in prints], CODE_FROM / 2):
        common, shares, slices = compare_files(prints[one], prints[other])
        similarity = min(1.0, float(min(shares)))
        if similarity >= CODE_FROM and common >= LEAST:
            found.append((one, other, similarity, (_spans(slices[0]), _spans(slices[1]))))
    return found


def _spans(slices: np.ndarray) -> Spans:
    """copydetect's two rows, of begins and ends, in order."""
    return tuple(sorted((int(begin), int(end)) for begin, end in zip(*slices, strict=True))) if slices.size else ()


def _essays(cell: Cell, answers: Sequence[Answer]) -> list[_Found]:
    given = set(_runs(cell.given))
    runs = [sorted(set(_runs(answer.text)) - given) for answer in answers]
    found = []
    for one, other, similarity in _candidates(runs, ESSAY_FROM):
        found.append((one, other, similarity, _common(answers[one].text, answers[other].text)))
    return found


def _runs(text: str) -> list[str]:
    """Every run of letters and digits, whatever stands between them."""
    letters = re.sub(r"[\W_]+", "", text.casefold())
    return [letters[place : place + LETTERS] for place in range(len(letters) - LETTERS + 1)]


def _candidates(features: Sequence[Collection[Hashable]], least: float) -> list[tuple[int, int, float]]:
    """The pairs that share enough of their features, and the share: of the smaller's, so that a part of one counts."""
    from sklearn.feature_extraction.text import CountVectorizer

    if not any(features):
        return []
    table = CountVectorizer(analyzer=list, binary=True, dtype=np.int32).fit_transform(features)
    shared = (table @ table.T).tocoo()
    sizes = np.asarray(table.sum(axis=1)).ravel()
    shares = shared.data / np.minimum(sizes[shared.row], sizes[shared.col])
    chosen = (shared.row < shared.col) & (shares >= least)
    return [
        (int(one), int(other), float(share))
        for one, other, share in zip(shared.row[chosen], shared.col[chosen], shares[chosen], strict=True)
    ]


def _common(left: str, right: str) -> tuple[Spans, Spans]:
    """Where the same stands in both texts."""
    blocks = difflib.SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks()
    kept = [block for block in blocks if len(re.sub(r"\W", "", left[block.a : block.a + block.size])) >= SHORTEST // 2]
    return (
        tuple((block.a, block.a + block.size) for block in kept),
        tuple((block.b, block.b + block.size) for block in kept),
    )
