"""The FCNN's pool: rows of trained and measured models."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from sharpness.data.abalone import Abalone
from sharpness.simple.small_networks.draws import Purpose, generator
from sharpness.simple.small_networks.fcnn.measure import sharpness
from sharpness.simple.small_networks.fcnn.network import initial, mean_squared_error
from sharpness.simple.small_networks.fcnn.procedure import Procedure
from sharpness.simple.small_networks.fcnn.task import Task, prepare
from sharpness.simple.small_networks.fcnn.training import train
from sharpness.simple.small_networks.rows import row

STACK = 50
"""Models trained together on batches of 64, where the calls cost more than the numbers."""

STACK_OF_WHOLE = 1
"""Models trained together on all rows: more would not fit into the cache, and take longer."""


def measured(
    data: Abalone,
    procedure: Procedure,
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
    task: Task, procedure: Procedure, base: int, models: list[int]
) -> Iterator[dict[str, Any]]:
    """The rows of models that are trained and measured together."""

    def streams(purpose: Purpose) -> list[np.random.Generator]:
        return [generator(base, model, purpose) for model in models]

    def measure(purpose: Purpose) -> Tensor:
        return sharpness(task, procedure, weights, streams(purpose))

    weights = initial(procedure, streams(Purpose.WEIGHTS))
    weights, epochs = train(task, procedure, weights, streams(Purpose.ORDER))
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
