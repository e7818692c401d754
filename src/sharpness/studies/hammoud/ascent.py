"""What the models of all three networks share: random streams, steps, ascent, training, rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from sharpness.studies.hammoud.procedures import StopRule


class Purpose(IntEnum):
    """What a stream is for; the numbers are part of every result and never change."""

    WEIGHTS = 0
    ORDER = 1
    DROPOUT = 2
    MEASURE = 3
    AGAIN = 4


def generator(base: int, model: int, purpose: Purpose) -> np.random.Generator:
    """The stream of a model, the same whichever models are trained beside it."""
    return np.random.default_rng([base, model, int(purpose)])


COLUMNS = (
    "network",
    "procedure",
    "base",
    "model",
    "epochs",
    "train_loss",
    "test_loss",
    "test_accuracy",
    "sharpness",
    "sharpness_again",
)
"""The columns of a pool's table.

``train_loss``, ``test_loss`` and ``test_accuracy`` are of the final weights, in eval mode, over all
examples; the accuracy is empty for a regression. ``sharpness_again`` is a second measurement of
the same weights with other random draws; empty where nothing is drawn.
"""


def row(
    base: int,
    model: int,
    epochs: int,
    train_loss: float,
    test_loss: float,
    test_accuracy: float | None,
    sharpness: float,
    sharpness_again: float | None,
) -> dict[str, object]:
    """A row without its network and procedure.

    Numbers are written so that they read back as they were (``repr``); one that is not finite,
    since the training diverged, as ``nan``.

    Args:
        base: seed base of the pool.
        model: index of the model in its pool.
        epochs: epochs trained.
        train_loss: mean loss over the training examples.
        test_loss: mean loss over the test examples.
        test_accuracy: share of right test answers; None for a regression.
        sharpness: the measure.
        sharpness_again: the measure with other draws; None where nothing is drawn.
    """
    numbers = {
        "train_loss": train_loss,
        "test_loss": test_loss,
        "test_accuracy": test_accuracy,
        "sharpness": sharpness,
        "sharpness_again": sharpness_again,
    }
    return {
        "base": base,
        "model": model,
        "epochs": epochs,
        **{name: _written(number) for name, number in numbers.items()},
    }


def _written(number: float | None) -> str:
    if number is None:
        return ""
    return repr(float(number)) if math.isfinite(number) else "nan"


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


def sharpness(
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
