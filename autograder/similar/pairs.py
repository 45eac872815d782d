"""Two people whose answers are alike: all of their cells together, ranked."""

from collections.abc import Iterable
from dataclasses import dataclass

from autograder.similar.compare import Alike

Person = tuple[str, str]  # student, folder


@dataclass(frozen=True)
class Pair:
    """Two people, and what of theirs is alike."""

    left: Person
    right: Person
    cells: tuple[Alike, ...]

    @property
    def strength(self) -> float:
        """By which pairs are ranked: the cells' likeness, each less the more others wrote like that."""
        return sum(one.similarity * 2 / (2 + one.others) for one in self.cells)


def pairs(found: Iterable[Alike]) -> list[Pair]:
    """The pairs of people, the most striking first."""
    by_people: dict[tuple[Person, Person], list[Alike]] = {}
    for one in found:
        people = (one.left.student, one.left.folder), (one.right.student, one.right.folder)
        by_people.setdefault(people, []).append(one)
    made = (Pair(*people, tuple(its)) for people, its in by_people.items())
    return sorted(made, key=lambda pair: (-pair.strength, pair.left, pair.right))
