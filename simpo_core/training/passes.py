"""Forward passes over pairs: their losses, and what is logged of them."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import torch
from torch import Tensor

from simpo_core import devices
from simpo_core.losses import nll_loss
from simpo_core.preferences import TokenPair
from simpo_core.scoring.packing import Pack, means, pack, plan_packs
from simpo_core.training.preparation import Training

LOGGED = (  # TRL's names, of means over pairs
    "loss",
    "rewards/chosen",
    "rewards/rejected",
    "rewards/accuracies",
    "rewards/margins",
    "logps/chosen",
    "logps/rejected",
)


def logged(training: Training) -> tuple[str, ...]:
    """What a run logs of its pairs: LOGGED, and `nll_loss` where that is part of the loss."""
    return (*LOGGED, "nll_loss") if training.config.nll_weight else LOGGED


@dataclass(frozen=True)
class Pass:
    """A pack of pairs that a process is to score, and what belongs to it."""

    place: int  # in the plan of all processes' packs: it seeds what dropout drops
    weight: float  # 0 where it only keeps other processes company
    packed: Pack  # on the device
    reference: Tensor | None  # the reference model's scores of its pairs, shape (pairs, 2)


def plan_passes(training: Training, pairs: Sequence[TokenPair], reference: Tensor | None) -> Iterator[Pass]:
    """The passes of this process's share of some pairs, made one by one; on a GPU nothing waits for them.

    Every process gets as many as the others.

    Args:
        reference: The reference model's scores of these pairs, shape (pairs, 2).
    """
    device, workers = training.device, devices.world_size()
    plan = plan_packs(pairs, training.config.pack_tokens)
    for place in range(devices.rank(), len(plan) + -len(plan) % workers, workers):
        rows = plan[place % len(plan)]
        packed = training.scorer.ready(pack([pairs[row] for row in rows]), device)
        expected = None if reference is None else devices.send(reference[rows], device)
        yield Pass(place, float(place < len(plan)), packed, expected)


def passes(training: Training, planned: Iterable[Pass]) -> Generator[tuple[float, Tensor, Tensor], None, None]:
    """A forward pass for each pack.

    Autocast is left in between and its copies of the weights in bfloat16 stay to the end: one of each for all passes.
    Until then weights must not change, and whoever stops early must close the iterator.

    Yields:
        The pass's weight, the losses of its pairs, shape (pairs,), and the sums over them of what `logged` names.
    """
    config, kind = training.config, training.device.type
    with torch.autocast(kind, torch.bfloat16, enabled=config.precision == "bfloat16"):
        for one in planned:
            torch.manual_seed(((config.seed * 1_000_003 + training.step) * 1_000_003 + one.place) % 2**63)  # dropout
            token_logps = training.scorer(one.packed)
            with torch.autocast(kind, enabled=False):
                yield one.weight, *_losses(training, one, token_logps)


def _losses(training: Training, one: Pass, token_logps: Tensor) -> tuple[Tensor, Tensor]:
    """The losses of a pass's pairs, and the sums over them of what `logged` names."""
    weight = training.config.nll_weight
    policy = training.method.score(token_logps, one.packed)
    losses, rewards = training.method.loss(policy, one.reference, **training.loss_args)
    columns = [rewards[:, 0], rewards[:, 1], *_compared(rewards), policy[:, 0], policy[:, 1]]
    if weight:
        nll = nll_loss(means(token_logps, one.packed)[:, 0])
        losses = losses + weight * nll
        columns.append(nll)
    return losses, torch.stack([losses, *columns]).detach().sum(1)


def _compared(rewards: Tensor) -> tuple[Tensor, Tensor]:
    margins = rewards[:, 0] - rewards[:, 1]
    return (margins > 0).float(), margins


def mean_of(training: Training, pairs: Sequence[TokenPair], reference: Tensor | None) -> dict[str, float]:
    """The means over pairs of what `logged` names, under the weights as they are. All processes must call it."""
    totals = torch.zeros(len(logged(training)), device=training.device)
    with torch.no_grad(), closing(passes(training, plan_passes(training, pairs, reference))) as each:
        for weight, _, sums in each:
            totals += weight * sums
    devices.reshard(training.scorer)
    return dict(zip(logged(training), (devices.add_up(totals) / len(pairs)).tolist(), strict=True))
