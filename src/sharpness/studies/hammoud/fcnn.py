"""The FCNN 10-64-64-1 on Abalone: data split, batches, and stacks of M networks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import elu, relu

from sharpness.data.small import Abalone
from sharpness.io.errors import UserError
from sharpness.studies.hammoud.procedures import FCNN_STOPS, FcnnProcedure
from sharpness.studies.hammoud.stacks import (
    Box,
    Generators,
    Loss,
    Purpose,
    Weights,
    ascent_sharpness,
    gradient_step,
    loss_and_gradient,
    rows_of_stacks,
    streams,
    train_stack,
    uniform,
)

BATCH = 64

Batch = tuple[Tensor, Tensor]
"""Features and labels of each model's examples: (M, examples, 10) and (M, examples)."""


@dataclass(frozen=True)
class AbaloneSplit:
    """Training inputs (n, 10), test inputs (t, 10) and their labels (n,) and (t,), float32."""

    inputs: Tensor
    labels: Tensor
    test_inputs: Tensor
    test_labels: Tensor

    @property
    def batches_per_epoch(self) -> int:
        """Return the number of batches of 64; the last one may be smaller."""
        return math.ceil(len(self.labels) / BATCH)

    def whole(self, models: int) -> Batch:
        """Return all training rows, repeated for each model."""
        return self.inputs.expand(models, -1, -1), self.labels.expand(models, -1)

    def test(self, models: int) -> Batch:
        """Return all test rows, repeated for each model."""
        return self.test_inputs.expand(models, -1, -1), self.test_labels.expand(models, -1)

    def drawn(self, generators: Generators) -> Batch:
        """Draw 64 rows for each model, with replacement, by its own generator."""
        return self._rows([g.integers(len(self.labels), size=BATCH) for g in generators])

    def epoch(self, generators: Generators, minibatches: bool) -> Iterator[Batch]:
        """Yield the batches of an epoch.

        With ``minibatches``, they hold 64 rows in an order drawn by each model's generator;
        otherwise all rows, as often as there are batches of 64.
        """
        if not minibatches:
            for _ in range(self.batches_per_epoch):
                yield self.whole(len(generators))
            return
        orders = np.stack([g.permutation(len(self.labels)) for g in generators])
        for start in range(0, orders.shape[1], BATCH):
            yield self._rows(orders[:, start : start + BATCH])

    def _rows(self, indices: np.ndarray | Sequence[np.ndarray]) -> Batch:
        chosen = torch.from_numpy(np.asarray(indices))
        return self.inputs[chosen], self.labels[chosen]


def prepare(data: Abalone, procedure: FcnnProcedure) -> AbaloneSplit:
    """Split and standardise the data, by the unbiased standard deviations of the training rows.

    ``procedure`` says whether the first row is lost and whether the label is standardised.

    Raises:
        UserError: if a feature is the same in all training rows.
    """
    kept = slice(int(procedure.first_row_lost), None)
    order = np.random.RandomState(42).permutation(len(data.rings[kept]))
    tests = math.ceil(0.2 * len(order))
    test, train = order[:tests], order[tests:]
    columns = np.column_stack([data.features, data.rings])[kept]
    mean, deviation = columns[train].mean(axis=0), columns[train].std(axis=0, ddof=1)
    if not (deviation > 0).all():
        raise UserError(f"{len(train)} training rows of Abalone are too alike; give more examples")
    if not procedure.standardised_label:
        mean[-1], deviation[-1] = 0, 1
    standard = torch.from_numpy((columns - mean) / deviation).float()
    return AbaloneSplit(
        standard[train, :-1], standard[train, -1], standard[test, :-1], standard[test, -1]
    )


WIDTHS = (10, 64, 64, 1)
LAYERS = len(WIDTHS) - 1


def fcnn_initial(procedure: FcnnProcedure, generators: Generators) -> Weights:
    """Draw the initial weights of a stack: W1 (M, 10, 64), b1 (M, 1, 64), W2, b2, W3, b3."""
    weights = {}
    for layer, (i, o) in enumerate(pairwise(WIDTHS), start=1):
        torch_like = procedure.initial_weights == "torch"
        bound = 1 / math.sqrt(i) if torch_like else math.sqrt(6 / (i + o))
        weights[f"W{layer}"] = uniform(bound, (i, o), generators)
        weights[f"b{layer}"] = uniform(bound if torch_like else 0, (1, o), generators)
    return weights


def fcnn_outputs(weights: Weights, inputs: Tensor, procedure: FcnnProcedure) -> Tensor:
    """Return the outputs of M models, (M, examples), for inputs (M, examples, 10)."""
    activation = relu if procedure.activation == "relu" else elu
    x = inputs
    for layer in range(1, LAYERS + 1):
        x = torch.baddbmm(weights[f"b{layer}"], x, weights[f"W{layer}"])
        if layer < LAYERS or procedure.activated_output:
            x = activation(x)
    return x.squeeze(2)


def mean_squared_error(weights: Weights, batch: Batch, procedure: FcnnProcedure) -> Tensor:
    """Return the loss of each model on its examples, (M,)."""
    inputs, labels = batch
    return (fcnn_outputs(weights, inputs, procedure) - labels).square().mean(dim=1)


def train_fcnn(
    task: AbaloneSplit,
    procedure: FcnnProcedure,
    weights: Weights,
    generators: Generators,
) -> tuple[Weights, list[int]]:
    """Train M models by SGD until the stop rule of each fires; stopped models do not change.

    ``generators``, one per model, draw the order of the rows. The result is the trained weights and
    the number of epochs of each model.
    """
    loss = partial(mean_squared_error, procedure=procedure)

    def epoch(models: list[int]) -> tuple[Loss[Batch], Iterator[Batch]]:
        return loss, task.epoch([generators[i] for i in models], procedure.minibatches)

    rule, rate = FCNN_STOPS[procedure.stop], procedure.learning_rate
    return train_stack(weights, len(generators), rule, rate, epoch)


RESTARTS = 50
STEPS = 5
EPOCHS = 6  # of the single ascent


def fcnn_sharpness(
    task: AbaloneSplit,
    procedure: FcnnProcedure,
    weights: Weights,
    generators: Generators,
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
    generators: Generators,
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
    rise = loss(worst, everything).double() - loss(weights, everything).double()
    # An epoch whose loss is NaN is never the greatest, so ``worst`` would hide it.
    return torch.where(greatest.isnan(), torch.nan, rise)


STACK = 50
"""Models trained together on batches of 64, where calls cost more than arithmetic."""

STACK_OF_WHOLE = 1
"""Models trained together on all rows: more would not fit into the cache and take longer."""


def train_and_measure_fcnn(
    data: Abalone, procedure: FcnnProcedure, base: int, models: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """Train and measure models of a pool, and yield `stacks.row` of each, in order.

    A model's random draws depend on (base, model) alone. Models are trained in stacks; the others
    in its stack change a model by no more than rounding.

    Raises:
        UserError: if the rows are too few to be standardised.
    """
    task = prepare(data, procedure)

    def measured(stack: list[int]) -> tuple[Any, ...]:
        drawn = partial(streams, base, stack)
        weights = fcnn_initial(procedure, drawn(Purpose.WEIGHTS))
        weights, epochs = train_fcnn(task, procedure, weights, drawn(Purpose.ORDER))
        sharpness = partial(fcnn_sharpness, task, procedure, weights)
        train_loss, test_loss = (
            mean_squared_error(weights, rows, procedure)
            for rows in (task.whole(len(stack)), task.test(len(stack)))
        )
        none, first = [None] * len(stack), sharpness(drawn(Purpose.MEASURE))
        again = sharpness(drawn(Purpose.AGAIN)) if procedure.measure_is_random else none
        return epochs, train_loss, test_loss, none, first, again

    size = STACK if procedure.minibatches else STACK_OF_WHOLE
    return rows_of_stacks("FCNN", base, models, size, measured)
