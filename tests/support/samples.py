"""A few of many, other ones each time: what a plain run looks at where `--everything` takes all."""

import os
import random
from collections.abc import Iterable
from typing import TypeVar

Thing = TypeVar("Thing")
SEED = os.environ.get("SAMPLE_SEED") or str(random.SystemRandom().randrange(10**6))


def drawn(things: Iterable[Thing], count: int) -> list[Thing]:
    """So many of them, in their order. With what is printed in the environment, the same are drawn again."""
    print(f"SAMPLE_SEED={SEED}")
    things = list(things)
    places = random.Random(SEED).sample(range(len(things)), min(count, len(things)))
    return [things[place] for place in sorted(places)]
