"""Projected gradient ascent for a stack of M models, and their training with a stop rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from sharpness.studies.hammoud.procedures import StopRule

Weights = dict[str, Tensor]
Batch = TypeVar("Batch")


@dataclass(frozen=True)
class Box:
    """The weights from ``low`` = w − ρ|w| to ``high`` = w + ρ|w|; a weight of zero stays zero."""

    low: Weights
    high: Weights

    @classmethod
    def around(cls, weights: Weights, rho: float, *, repaired: bool = True) -> Box:
        """Return the box of radius ρ around weights w.

        ``repaired=False`` omits the absolute value, as a notebook did: the "box" from w − ρw to
        w + ρw is inverted for w < 0, and projection onto it always gives w + ρw.
        """
        reach = {name: rho * (w.abs() if repaired else w) for name, w in weights.items()}
        return cls(
            {name: w - reach[name] for name, w in weights.items()},
            {name: w + reach[name] for name, w in weights.items()},
        )

    def project(self, weights: Weights) -> Weights:
        """Return the nearest weights in the box: max with ``low``, then min with ``high``."""
        return {n: w.maximum(self.low[n]).minimum(self.high[n]) for n, w in weights.items()}


def loss_and_gradient(
    loss: Callable[[Weights, Batch], Tensor], weights: Weights, batch: Batch
) -> tuple[Tensor, Weights]:
    """Return the loss of each model on a batch, (M,), and its gradient by the model's weights."""
    leaves = {name: w.detach().requires_grad_() for name, w in weights.items()}
    values = loss(leaves, batch)
    gradients = torch.autograd.grad(values.sum(), list(leaves.values()))
    return values.detach(), dict(zip(leaves, gradients, strict=True))


def gradient_step(weights: Weights, gradient: Weights, learning_rate: float) -> Weights:
    """Return the weights after a gradient descent step; of ascent if the rate is negative."""
    return {name: w - learning_rate * gradient[name] for name, w in weights.items()}


def ascent_sharpness(
    weights: Weights,
    loss: Callable[[Weights, Batch], Tensor],
    batches: Iterable[Batch],
    *,
    rho: float,
    learning_rate: float,
    steps: int,
    repaired: bool = True,
) -> Tensor:
    """Estimate adaptive worst-case m-sharpness E_S max_{|δ| ≤ ρ|w|} L_S(w + δ) − L_S(w).

    Each batch S gets one run of ``steps`` ascent steps from w, projected after every step. Only
    losses after a step count, not the loss at w, so that a failed ascent gives a negative rise
    (Sec. II.B). The result is the mean rise over batches, (M,), float64; not finite where a loss
    was not. ``loss`` returns L_S of M models, (M,); for ``repaired`` see `Box.around`.
    """
    box = Box.around(weights, rho, repaired=repaired)
    rises = [_rise(weights, box, loss, batch, learning_rate, steps) for batch in batches]
    return torch.stack(rises).mean(dim=0)


def _rise(
    weights: Weights,
    box: Box,
    loss: Callable[[Weights, Batch], Tensor],
    batch: Batch,
    learning_rate: float,
    steps: int,
) -> Tensor:
    """Return the greatest loss after a step of one ascent minus the loss at w, (M,)."""
    start, gradient = loss_and_gradient(loss, weights, batch)
    greatest = torch.full_like(start, -torch.inf)
    at = weights
    for step in range(1, steps + 1):
        at = box.project(gradient_step(at, gradient, -learning_rate))
        if step < steps:
            value, gradient = loss_and_gradient(loss, at, batch)
        else:
            with torch.no_grad():
                value = loss(at, batch)
        greatest = greatest.maximum(value)
    return greatest.double() - start.double()


Epoch = Callable[[Weights, list[int]], tuple[Weights, list[float]]]
"""Maps weights and stack indices of some models to weights and losses after a training epoch."""


def train_stack(
    weights: Weights, models: int, rule: StopRule, epoch: Epoch
) -> tuple[Weights, list[int]]:
    """Train a stack of models until the stop rule of each fires; stopped models do not change.

    ``epoch`` trains the models that have not stopped; ``rule`` gets one loss per epoch. The result
    is the trained weights and the number of epochs of each model.
    """
    weights = {name: w.clone() for name, w in weights.items()}
    losses: list[list[float]] = [[] for _ in range(models)]
    active = list(range(models))
    while active:
        part, sums = epoch({name: w[active] for name, w in weights.items()}, active)
        for name, w in part.items():
            weights[name][active] = w
        for i, loss in zip(active, sums, strict=True):
            losses[i].append(loss)
        active = [i for i in active if not rule.stops(losses[i])]
    return weights, [len(history) for history in losses]
