"""Stacks of M models: random streams, training with a stop rule, gradient ascent, table rows.

All randomness of model k with seed base b comes from (b, k) and the purpose of the stream.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from sharpness.studies.hammoud import COLUMNS
from sharpness.studies.hammoud.procedures import StopRule

Weights = dict[str, Tensor]
Generators = Sequence[np.random.Generator]
"""Random streams, one per model."""

Batch = TypeVar("Batch")
Loss = Callable[[Weights, Batch], Tensor]
"""Maps the weights of a stack and a batch to the loss of each model, (M,)."""


class Purpose(IntEnum):
    """Purposes of random streams; the numbers are part of every result and never change."""

    WEIGHTS = 0
    ORDER = 1
    DROPOUT = 2
    MEASURE = 3
    AGAIN = 4


def generator(base: int, model: int, purpose: Purpose) -> np.random.Generator:
    """Return a model's random stream, which does not depend on the models trained beside it."""
    return np.random.default_rng([base, model, int(purpose)])


def streams(base: int, models: Iterable[int], purpose: Purpose) -> list[np.random.Generator]:
    """Return one random stream for each model."""
    return [generator(base, model, purpose) for model in models]


def uniform(bound: float, shape: tuple[int, int], generators: Generators) -> Tensor:
    """Draw U(−bound, bound) for each model, (M, *shape), float32."""
    drawn = np.stack([generator.uniform(-bound, bound, shape) for generator in generators])
    return torch.from_numpy(drawn).float()


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


def loss_and_gradient(loss: Loss[Batch], weights: Weights, batch: Batch) -> tuple[Tensor, Weights]:
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
    loss: Loss[Batch],
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
    loss: Loss[Batch],
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


def train_stack(
    weights: Weights,
    models: int,
    rule: StopRule,
    learning_rate: float,
    epoch: Callable[[list[int]], tuple[Loss[Batch], Iterable[Batch]]],
) -> tuple[Weights, list[int]]:
    """Train a stack of models by SGD until the stop rule of each fires, after which it is fixed.

    ``epoch`` maps the indices of the models that have not stopped to their loss and the batches of
    an epoch; ``rule`` gets each epoch's sum of batch losses, each before its step. The result is
    the trained weights and the number of epochs of each model.
    """
    weights = {name: w.clone() for name, w in weights.items()}
    losses: list[list[float]] = [[] for _ in range(models)]
    active = list(range(models))
    while active:
        part = {name: w[active] for name, w in weights.items()}
        sums = torch.zeros(len(active), dtype=torch.float64)
        loss, batches = epoch(active)
        for batch in batches:
            values, gradient = loss_and_gradient(loss, part, batch)
            part = gradient_step(part, gradient, learning_rate)
            sums += values
        for name, w in part.items():
            weights[name][active] = w
        for i, total in zip(active, sums.tolist(), strict=True):
            losses[i].append(total)
        active = [i for i in active if not rule.stops(losses[i])]
    return weights, [len(history) for history in losses]


def row(base: int, model: int, epochs: int, *numbers: float | None) -> dict[str, Any]:
    """Return a row of `hammoud.COLUMNS` without network and procedure.

    ``numbers`` are those of the columns after ``epochs``. They are written by ``repr``, so that
    they read back exactly; None as an empty string, and a number that is not finite, since the
    training diverged, as ``nan``.
    """
    cells = base, model, epochs, *map(_written, numbers)
    return dict(zip(COLUMNS[2:], cells, strict=True))


def _written(number: float | None) -> str:
    if number is None:
        return ""
    return repr(float(number)) if math.isfinite(number) else "nan"


def rows_of_stacks(
    title: str,
    base: int,
    models: Sequence[int],
    size: int,
    measured: Callable[[list[int]], Iterable[Iterable[Any]]],
) -> Iterator[dict[str, Any]]:
    """Yield the `row` of each model; models are trained and measured in stacks of ``size``.

    ``measured`` maps the models of a stack to the columns of their rows, from ``epochs`` on.
    """
    for start in range(0, len(models), size):
        stack = list(models[start : start + size])
        print(f"{title}, base {base}: models {stack[0]} to {stack[-1]}", file=sys.stderr)
        for model, *numbers in zip(stack, *measured(stack), strict=True):
            yield row(base, model, *numbers)
