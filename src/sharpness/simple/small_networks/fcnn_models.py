"""The FCNN's models: trained by SGD, tested, their sharpness measured, in stacks."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sharpness.data.abalone import Abalone
from sharpness.simple.small_networks import ascent
from sharpness.simple.small_networks.ascent import (
    Box,
    Weights,
    descended,
    loss_and_gradient,
    train_stack,
)
from sharpness.simple.small_networks.fcnn import Task, initial, mean_squared_error, prepare
from sharpness.simple.small_networks.models import Purpose, row, streams
from sharpness.simple.small_networks.procedures import FCNN_STOPS, FcnnProcedure


def train(
    task: Task,
    procedure: FcnnProcedure,
    weights: Weights,
    generators: Sequence[np.random.Generator],
) -> tuple[Weights, list[int]]:
    """Train until each model's stop rule fires; a model that has stopped stays as it is.

    Args:
        task: the rows.
        procedure: learning rate, batches and stop rule.
        weights: of M models, before.
        generators: of the order of the rows, one per model.

    Returns:
        The weights after, and the number of epochs of each model.
    """

    def epoch(part: Weights, models: list[int]) -> tuple[Weights, list[float]]:
        return _epoch(task, procedure, part, [generators[i] for i in models])

    return train_stack(weights, len(generators), FCNN_STOPS[procedure.stop], epoch)


def _epoch(
    task: Task,
    procedure: FcnnProcedure,
    weights: Weights,
    generators: Sequence[np.random.Generator],
) -> tuple[Weights, list[float]]:
    """The weights after an epoch, and each model's sum of batch losses, taken before each step."""
    loss = partial(mean_squared_error, procedure=procedure)
    sums = torch.zeros(len(generators), dtype=torch.float64)
    for batch in task.epoch(generators, procedure.minibatches):
        values, gradient = loss_and_gradient(loss, weights, batch)
        weights = descended(weights, gradient, procedure.learning_rate)
        sums += values
    return weights, sums.tolist()


RESTARTS = 50
STEPS = 5
EPOCHS = 6  # of a single run


def sharpness(
    task: Task,
    procedure: FcnnProcedure,
    weights: Weights,
    generators: Sequence[np.random.Generator],
) -> Tensor:
    """The sharpness of each model, (M,), float64; not finite where the loss is not.

    Args:
        task: the rows.
        procedure: which ascent, its learning rate and its ball.
        weights: of M models.
        generators: of the batches, one per model.
    """
    if procedure.ascent == "single":
        return _single(task, procedure, weights, generators)
    return ascent.sharpness(
        weights,
        partial(mean_squared_error, procedure=procedure),
        (task.drawn(generators) for _ in range(RESTARTS)),
        rho=procedure.rho,
        learning_rate=procedure.learning_rate,
        steps=STEPS,
        repaired=procedure.repaired_projection,
    )


def _single(
    task: Task,
    procedure: FcnnProcedure,
    weights: Weights,
    generators: Sequence[np.random.Generator],
) -> Tensor:
    """The rise of the whole training loss at the best epoch's end of one ascent."""
    loss = partial(mean_squared_error, procedure=procedure)
    box = Box.around(weights, procedure.rho, repaired=procedure.repaired_projection)
    at = worst = weights
    greatest = torch.full((len(generators),), -torch.inf, dtype=torch.float64)
    for _ in range(EPOCHS):
        total = torch.zeros_like(greatest)
        for batch in task.epoch(generators, procedure.minibatches):
            values, gradient = loss_and_gradient(loss, at, batch)
            at = box.project(descended(at, gradient, -procedure.learning_rate))
            total += values
        better = (total > greatest)[:, None, None]
        worst = {name: torch.where(better, at[name], worst[name]) for name in at}
        greatest = greatest.maximum(total)
    everything = task.whole(len(generators))
    return loss(worst, everything).double() - loss(weights, everything).double()


STACK = 50
"""Models trained together on batches of 64, where the calls cost more than the numbers."""

STACK_OF_WHOLE = 1
"""Models trained together on all rows: more would not fit into the cache, and take longer."""


def measured(
    data: Abalone,
    procedure: FcnnProcedure,
    base: int,
    models: Sequence[int],
) -> Iterator[dict[str, Any]]:
    """Train and measure models of a pool.

    A model's draws depend on (base, model) alone. Models are trained in stacks; which others are
    in its stack changes a model by no more than rounding.

    Args:
        data: the table, or a part of it.
        procedure: how.
        base: seed base of the pool.
        models: their indices.

    Yields:
        Rows without network and procedure, in the order of ``models``.

    Raises:
        Problem: if the rows are too few to be standardised.
    """
    task = prepare(data, procedure)
    size = STACK if procedure.minibatches else STACK_OF_WHOLE
    for start in range(0, len(models), size):
        stack = list(models[start : start + size])
        print(f"FCNN, base {base}: models {stack[0]} to {stack[-1]}", file=sys.stderr)
        yield from _stack(task, procedure, base, stack)


def _stack(
    task: Task, procedure: FcnnProcedure, base: int, models: list[int]
) -> Iterator[dict[str, Any]]:
    """The rows of models that are trained and measured together."""

    def measure(purpose: Purpose) -> Tensor:
        return sharpness(task, procedure, weights, streams(base, models, purpose))

    weights = initial(procedure, streams(base, models, Purpose.WEIGHTS))
    weights, epochs = train(task, procedure, weights, streams(base, models, Purpose.ORDER))
    train_loss = mean_squared_error(weights, task.whole(len(models)), procedure)
    test_loss = mean_squared_error(weights, task.test(len(models)), procedure)
    first = measure(Purpose.MEASURE)
    again = measure(Purpose.AGAIN) if procedure.measure_is_random else None
    for i, model in enumerate(models):
        yield row(
            base,
            model,
            epochs[i],
            train_loss=float(train_loss[i]),
            test_loss=float(test_loss[i]),
            test_accuracy=None,
            sharpness=float(first[i]),
            sharpness_again=None if again is None else float(again[i]),
        )
