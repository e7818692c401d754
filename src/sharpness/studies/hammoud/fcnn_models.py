"""Training, testing and measuring of the FCNNs, in stacks."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sharpness.data.small import Abalone
from sharpness.studies.hammoud.ascent import (
    Box,
    Weights,
    ascent_sharpness,
    gradient_step,
    loss_and_gradient,
    train_stack,
)
from sharpness.studies.hammoud.fcnn import AbaloneSplit, fcnn_initial, mean_squared_error, prepare
from sharpness.studies.hammoud.models import Purpose, row, streams
from sharpness.studies.hammoud.procedures import FCNN_STOPS, FcnnProcedure


def train_fcnn(
    task: AbaloneSplit,
    procedure: FcnnProcedure,
    weights: Weights,
    generators: Sequence[np.random.Generator],
) -> tuple[Weights, list[int]]:
    """Train M models by SGD until the stop rule of each fires; stopped models do not change.

    ``generators``, one per model, draw the order of the rows. The result is the trained weights and
    the number of epochs of each model.
    """

    def epoch(part: Weights, models: list[int]) -> tuple[Weights, list[float]]:
        return _epoch(task, procedure, part, [generators[i] for i in models])

    return train_stack(weights, len(generators), FCNN_STOPS[procedure.stop], epoch)


def _epoch(
    task: AbaloneSplit,
    procedure: FcnnProcedure,
    weights: Weights,
    generators: Sequence[np.random.Generator],
) -> tuple[Weights, list[float]]:
    """Return weights after an epoch and each model's sum of batch losses before their steps."""
    loss = partial(mean_squared_error, procedure=procedure)
    sums = torch.zeros(len(generators), dtype=torch.float64)
    for batch in task.epoch(generators, procedure.minibatches):
        values, gradient = loss_and_gradient(loss, weights, batch)
        weights = gradient_step(weights, gradient, procedure.learning_rate)
        sums += values
    return weights, sums.tolist()


RESTARTS = 50
STEPS = 5
EPOCHS = 6  # of the single ascent


def fcnn_sharpness(
    task: AbaloneSplit,
    procedure: FcnnProcedure,
    weights: Weights,
    generators: Sequence[np.random.Generator],
) -> Tensor:
    """Measure the sharpness of each model, (M,), float64; not finite where the loss is not.

    ``generators``, one per model, draw the batches.
    """
    if procedure.ascent == "single":
        return _single(task, procedure, weights, generators)
    return ascent_sharpness(
        weights,
        partial(mean_squared_error, procedure=procedure),
        (task.drawn(generators) for _ in range(RESTARTS)),
        rho=procedure.rho,
        learning_rate=procedure.learning_rate,
        steps=STEPS,
        repaired=procedure.repaired_projection,
    )


def _single(
    task: AbaloneSplit,
    procedure: FcnnProcedure,
    weights: Weights,
    generators: Sequence[np.random.Generator],
) -> Tensor:
    """Return the rise of the loss on all training rows after the best epoch of one ascent."""
    loss = partial(mean_squared_error, procedure=procedure)
    box = Box.around(weights, procedure.rho, repaired=procedure.repaired_projection)
    at = worst = weights
    greatest = torch.full((len(generators),), -torch.inf, dtype=torch.float64)
    for _ in range(EPOCHS):
        total = torch.zeros_like(greatest)
        for batch in task.epoch(generators, procedure.minibatches):
            values, gradient = loss_and_gradient(loss, at, batch)
            at = box.project(gradient_step(at, gradient, -procedure.learning_rate))
            total += values
        better = (total > greatest)[:, None, None]
        worst = {name: torch.where(better, at[name], worst[name]) for name in at}
        greatest = greatest.maximum(total)
    everything = task.whole(len(generators))
    return loss(worst, everything).double() - loss(weights, everything).double()


STACK = 50
"""Models trained together on batches of 64, where calls cost more than arithmetic."""

STACK_OF_WHOLE = 1
"""Models trained together on all rows: more would not fit into the cache and take longer."""


def train_and_measure_fcnn(
    data: Abalone,
    procedure: FcnnProcedure,
    base: int,
    models: Sequence[int],
) -> Iterator[dict[str, Any]]:
    """Train and measure models of a pool, and yield `models.row` of each, in order.

    A model's random draws depend on (base, model) alone. Models are trained in stacks; the others
    in its stack change a model by no more than rounding.

    Raises:
        UserError: if the rows are too few to be standardised.
    """
    task = prepare(data, procedure)
    size = STACK if procedure.minibatches else STACK_OF_WHOLE
    for start in range(0, len(models), size):
        stack = list(models[start : start + size])
        print(f"FCNN, base {base}: models {stack[0]} to {stack[-1]}", file=sys.stderr)
        yield from _stack(task, procedure, base, stack)


def _stack(
    task: AbaloneSplit, procedure: FcnnProcedure, base: int, models: list[int]
) -> Iterator[dict[str, Any]]:
    """Yield the rows of models that are trained and measured together."""

    def measure(purpose: Purpose) -> Tensor:
        return fcnn_sharpness(task, procedure, weights, streams(base, models, purpose))

    weights = fcnn_initial(procedure, streams(base, models, Purpose.WEIGHTS))
    weights, epochs = train_fcnn(task, procedure, weights, streams(base, models, Purpose.ORDER))
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
