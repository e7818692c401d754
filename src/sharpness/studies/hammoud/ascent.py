"""Projected gradient ascent for a stack of models, and their training until each stops."""

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
    """The weights w + δ with |δ| ≤ ρ|w|, element by element; a weight of zero stays zero.

    Attributes:
        low: w − ρ|w|.
        high: w + ρ|w|.
    """

    low: Weights
    high: Weights

    @classmethod
    def around(cls, weights: Weights, rho: float, *, repaired: bool = True) -> Box:
        """The box around some weights.

        Args:
            weights: the centre w.
            rho: the radius ρ.
            repaired: False leaves out the absolute value, as a notebook did: the "box" from
                w − ρw to w + ρw is inside out for w < 0, and its projection always gives w + ρw.
        """
        reach = {name: rho * (w.abs() if repaired else w) for name, w in weights.items()}
        return cls(
            {name: w - reach[name] for name, w in weights.items()},
            {name: w + reach[name] for name, w in weights.items()},
        )

    def project(self, weights: Weights) -> Weights:
        """The nearest weights of the box: max(low), then min(high)."""
        return {n: w.maximum(self.low[n]).minimum(self.high[n]) for n, w in weights.items()}


def loss_and_gradient(
    loss: Callable[[Weights, Batch], Tensor], weights: Weights, batch: Batch
) -> tuple[Tensor, Weights]:
    """The loss of each model on a batch, (M,), and its gradient by that model's weights."""
    leaves = {name: w.detach().requires_grad_() for name, w in weights.items()}
    values = loss(leaves, batch)
    gradients = torch.autograd.grad(values.sum(), list(leaves.values()))
    return values.detach(), dict(zip(leaves, gradients, strict=True))


def descended(weights: Weights, gradient: Weights, learning_rate: float) -> Weights:
    """A step of plain gradient descent; of ascent if the learning rate is negative."""
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
    """Adaptive worst-case m-sharpness E_S max_{|δ| ≤ ρ|w|} L_S(w + δ) − L_S(w), as far as found.

    For each batch S, one run of ascent from w, projected after every step. The greatest loss after
    a step counts, not the start's, so that a failed ascent gives a negative rise (Sec. II.B).

    Args:
        weights: w of M models.
        loss: L_S, (M,), of some weights on a batch.
        batches: one S per restart.
        rho: the radius ρ.
        learning_rate: of the ascent.
        steps: steps per restart.
        repaired: whether the ball is one; see `Box.around`.

    Returns:
        The mean rise over the batches, (M,), float64; not finite where a loss was not.
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
    """The greatest loss of one ascent, less the loss at w, (M,)."""
    start, gradient = loss_and_gradient(loss, weights, batch)
    greatest = torch.full_like(start, -torch.inf)
    at = weights
    for step in range(1, steps + 1):
        at = box.project(descended(at, gradient, -learning_rate))
        if step < steps:
            value, gradient = loss_and_gradient(loss, at, batch)
        else:
            with torch.no_grad():
                value = loss(at, batch)
        greatest = greatest.maximum(value)
    return greatest.double() - start.double()


Epoch = Callable[[Weights, list[int]], tuple[Weights, list[float]]]
"""Of some models' weights and their numbers in the stack: the weights after, each model's loss."""


def train_stack(
    weights: Weights, models: int, rule: StopRule, epoch: Epoch
) -> tuple[Weights, list[int]]:
    """Train until each model's stop rule fires; a model that has stopped stays as it is.

    Args:
        weights: of all models, before.
        models: how many they are.
        rule: on a model's losses, one an epoch.
        epoch: trains those that have not stopped.

    Returns:
        The weights after, and the number of epochs of each model.
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
