"""The one trainer of the stand-ins, of images and of sentences.

Everything random is drawn from generators whose seeds are names, and all is done by one thread, so
that the same machine makes the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from sharpness.checkpoints.table import Member
from sharpness.data.batches import Examples
from sharpness.io.files import digest

WARM_UP = 0.1
"""The share of the steps in which the learning rate grows."""
CLIP = 1.0
"""The largest norm of a gradient, as in AugReg and the soups."""

Standins = tuple[Callable[[Member], nn.Module], Mapping[str, Examples]]
"""A function from a row of a pool's table to a trained network; parts on which it is tested."""


def seed(*words: object) -> int:
    """A seed for whatever the words name."""
    return int(digest([str(word) for word in words]), 16) % 2**63


def torch_generator(*words: object) -> torch.Generator:
    """A source of random numbers for whatever the words name."""
    return torch.Generator().manual_seed(seed(*words))


def train_standin(
    loss: Callable[[Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
    *,
    examples: int,
    batch: int,
    steps: int,
    name: str,
) -> None:
    """Minimize a loss over shuffled batches; an incomplete last batch of an epoch is left out.

    The learning rate grows linearly, then falls to zero as a cosine.

    Args:
        loss: of the examples with these numbers, (batch,).
        optimizer: with its peak learning rate.
        examples: how many there are.
        batch: examples a step.
        steps: how many.
        name: determines the order.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    random, order = torch_generator(name, "order"), torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(order) < batch:
            order = torch.randperm(examples, generator=random)
        chosen, order = order[:batch], order[batch:]
        optimizer.zero_grad()
        loss(chosen).backward()
        nn.utils.clip_grad_norm_(parameters, CLIP)
        optimizer.step()
        rate.step()


def _rate(step: int, steps: int) -> float:
    """The share of the peak learning rate at a step."""
    warm = max(1, round(WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 + 0.5 * math.cos(math.pi * (step - warm) / max(1, steps - warm))
