"""The training loop of all stand-in models.

Random numbers come from generators seeded by names, and training uses one thread, so that the same
machine gives the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from sharpness.checkpoints.table import PublishedModel
from sharpness.data.batches import Examples
from sharpness.io.files import digest

WARM_UP = 0.1
"""Share of the steps in which the learning rate grows."""
CLIP = 1.0
"""Gradients are clipped to this norm, as in AugReg and the soups."""

Standins = tuple[Callable[[PublishedModel], nn.Module], Mapping[str, Examples]]
"""A function that trains the network of a row of a pool's table; the parts on which to test it."""


def seed(*words: object) -> int:
    """Return a seed that is a hash of the words."""
    return int(digest([str(word) for word in words]), 16) % 2**63


def torch_generator(*words: object) -> torch.Generator:
    """Return a generator seeded by the words."""
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

    The learning rate grows linearly to the optimizer's own, then falls to zero as a cosine.
    ``loss`` maps indices (batch,) of examples to their mean loss; ``name`` seeds the order.
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
    """Return the learning rate at a step, relative to its peak."""
    warm = max(1, round(WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 + 0.5 * math.cos(math.pi * (step - warm) / max(1, steps - warm))
