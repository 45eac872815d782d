"""Forward passes over pairs: their losses, and what is logged of them."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from simpo_core import devices
from simpo_core.losses import nll_loss
from simpo_core.preferences import TokenPair
from simpo_core.scoring.packing import means, pack, plan_packs
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


def passes(
    training: Training, pairs: Sequence[TokenPair], reference: Tensor | None
) -> Iterator[tuple[float, Tensor, Tensor]]:
    """A forward pass for each pack of this process's share of some pairs.

    Every process must take part in as many passes as the others; one that only keeps them company has weight 0.

    Args:
        reference: The reference model's scores of these pairs, shape (pairs, 2).

    Yields:
        The pass's weight, the losses of its pairs, shape (pairs,), and the sums over them of what `logged` names.
    """
    config, device, workers = training.config, training.device, devices.world_size()
    plan = plan_packs(pairs, config.pack_tokens)
    for place in range(devices.rank(), len(plan) + -len(plan) % workers, workers):
        rows = plan[place % len(plan)]
        packed = pack([pairs[row] for row in rows]).to(device)
        torch.manual_seed(((config.seed * 1_000_003 + training.step) * 1_000_003 + place) % 2**63)  # dropout
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
            token_logps = training.scorer(packed)
            policy = training.method.score(token_logps, packed)
        expected = None if reference is None else reference[rows].to(device)
        losses, rewards = training.method.loss(policy, expected, **training.loss_args)
        columns = [rewards[:, 0], rewards[:, 1], *_compared(rewards), policy[:, 0], policy[:, 1]]
        if config.nll_weight:
            nll = nll_loss(means(token_logps, packed)[:, 0])
            losses = losses + config.nll_weight * nll
            columns.append(nll)
        yield float(place < len(plan)), losses, torch.stack([losses, *columns]).detach().sum(1)


def _compared(rewards: Tensor) -> tuple[Tensor, Tensor]:
    margins = rewards[:, 0] - rewards[:, 1]
    return (margins > 0).float(), margins


def mean_of(training: Training, pairs: Sequence[TokenPair], reference: Tensor | None) -> dict[str, float]:
    """The means over pairs of what `logged` names, under the weights as they are. All processes must call it."""
    totals = torch.zeros(len(logged(training)), device=training.device)
    with torch.no_grad():
        for weight, _, sums in passes(training, pairs, reference):
            totals += weight * sums
    devices.reshard(training.scorer)
    return dict(zip(logged(training), (devices.add_up(totals) / len(pairs)).tolist(), strict=True))
