"""Training (SGD with dropout), testing and measuring of the GATs, in stacks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sharpness.data.small import Graph
from sharpness.studies.hammoud.ascent import (
    Box,
    Weights,
    ascent_sharpness,
    gradient_step,
    loss_and_gradient,
    train_stack,
)
from sharpness.studies.hammoud.gat import (
    Dropout,
    Field,
    cross_entropy,
    draw_nodes,
    gat_epoch,
    gat_initial,
    gat_outputs,
    receptive_field,
)
from sharpness.studies.hammoud.models import Purpose, row, streams
from sharpness.studies.hammoud.procedures import GAT_STOPS, GatProcedure

Streams = Sequence[np.random.Generator]


def train_gat(
    field: Field, procedure: GatProcedure, weights: Weights, orders: Streams, drops: Streams
) -> tuple[Weights, list[int]]:
    """Train M models by SGD until the stop rule of each fires; stopped models do not change.

    ``orders`` and ``drops``, one generator per model, draw the order of the nodes and dropout. The
    result is the trained weights and the number of epochs of each model.
    """

    def one(part: Weights, models: list[int]) -> tuple[Weights, list[float]]:
        generators = [orders[i] for i in models], [drops[i] for i in models]
        return _epoch(field, procedure.learning_rate, part, *generators)

    return train_stack(weights, len(orders), GAT_STOPS[procedure.stop], one)


def _epoch(
    field: Field, learning_rate: float, weights: Weights, orders: Streams, drops: Streams
) -> tuple[Weights, list[float]]:
    """Return weights after an epoch and each model's sum of batch losses before their steps."""
    dropout = Dropout(drops)
    sums = torch.zeros(len(orders), dtype=torch.float64)
    for shares in gat_epoch(len(field.labels), orders):
        values, gradient = loss_and_gradient(
            lambda w, S: cross_entropy(w, field, S, dropout), weights, shares
        )
        weights = gradient_step(weights, gradient, learning_rate)
        sums += values
    return weights, sums.tolist()


STEPS = 5

Loss = Callable[[Weights, Tensor], Tensor]


def gat_sharpness(
    field: Field, procedure: GatProcedure, weights: Weights, batches: Streams, drops: Streams
) -> Tensor:
    """Measure the sharpness of each model, (M,), float64; not finite where the loss is not.

    ``batches`` and ``drops``, one generator per model, draw the batches and dropout (if it is on).
    """
    dropout = Dropout(drops) if procedure.dropout_in_measure else None

    def loss(w: Weights, shares: Tensor) -> Tensor:
        return cross_entropy(w, field, shares, dropout)

    nodes = len(field.labels)
    draws = (
        draw_nodes(nodes, batches, duplicates=procedure.duplicates)
        for _ in range(procedure.restarts)
    )
    if procedure.objective == "batch":
        return ascent_sharpness(
            weights,
            loss,
            draws,
            rho=procedure.rho,
            learning_rate=procedure.learning_rate,
            steps=STEPS,
        )

    def summed(w: Weights) -> Tensor:
        with torch.no_grad():
            sums = [loss(w, shares) for shares in gat_epoch(nodes, batches)]
        return torch.stack(sums).double().sum(dim=0)

    start = summed(weights)
    tops = [_greatest(procedure, weights, loss, shares, summed) for shares in draws]
    return torch.stack(tops).mean(dim=0) - start


def _greatest(
    procedure: GatProcedure,
    weights: Weights,
    loss: Loss,
    shares: Tensor,
    objective: Callable[[Weights], Tensor],
) -> Tensor:
    """Return the greatest ``objective`` after a step of one ascent of ``loss``, (M,)."""
    box = Box.around(weights, procedure.rho)
    at = weights
    values = []
    for _ in range(STEPS):
        _, gradient = loss_and_gradient(loss, at, shares)
        at = box.project(gradient_step(at, gradient, -procedure.learning_rate))
        values.append(objective(at))
    return torch.stack(values).amax(dim=0)


STACK = 25
"""Models trained together, each in a quarter of the time that it takes alone."""


@dataclass(frozen=True)
class _Fields:
    """Receptive fields of the training and of the test nodes."""

    train: Field
    test: Field


def train_and_measure_gat(
    data: Graph,
    procedure: GatProcedure,
    base: int,
    models: Sequence[int],
) -> Iterator[dict[str, Any]]:
    """Train and measure models of a pool, and yield `models.row` of each, in order.

    A model's random draws depend on (base, model) alone. Models are trained in stacks; the others
    in its stack change a model by no more than rounding.
    """
    if procedure.features_normalised:
        words = data.features.sum(axis=1, keepdims=True)
        data = replace(data, features=data.features / np.maximum(words, 1))
    fields = _Fields(receptive_field(data, data.train), receptive_field(data, data.test))
    classes = int(data.labels.max()) + 1
    for start in range(0, len(models), STACK):
        stack = list(models[start : start + STACK])
        print(f"GAT, base {base}: models {stack[0]} to {stack[-1]}", file=sys.stderr)
        yield from _stack(fields, classes, procedure, base, stack)


def _stack(
    fields: _Fields,
    classes: int,
    procedure: GatProcedure,
    base: int,
    models: list[int],
) -> Iterator[dict[str, Any]]:
    """Yield the rows of models that are trained and measured together."""

    def measure(purpose: Purpose) -> Tensor:
        drawn = streams(base, models, purpose)
        return gat_sharpness(fields.train, procedure, weights, drawn, drawn)

    weights = gat_initial(
        fields.train.features.shape[1], classes, streams(base, models, Purpose.WEIGHTS)
    )
    orders, drops = streams(base, models, Purpose.ORDER), streams(base, models, Purpose.DROPOUT)
    weights, epochs = train_gat(fields.train, procedure, weights, orders, drops)
    train_loss, test_loss = _loss(weights, fields.train), _loss(weights, fields.test)
    right = gat_outputs(weights, fields.test).argmax(dim=2) == fields.test.labels[:, None]
    accuracy = right.double().mean(dim=0)
    first = measure(Purpose.MEASURE)
    again = measure(Purpose.AGAIN)
    for i, model in enumerate(models):
        yield row(
            base,
            model,
            epochs[i],
            train_loss=float(train_loss[i]),
            test_loss=float(test_loss[i]),
            test_accuracy=float(accuracy[i]),
            sharpness=float(first[i]),
            sharpness_again=float(again[i]),
        )


def _loss(weights: Weights, field: Field) -> Tensor:
    """Return the mean loss of each model over a field's nodes, in eval mode, (M,)."""
    nodes = len(field.labels)
    return cross_entropy(weights, field, torch.full((len(weights["W1"]), nodes), 1 / nodes))
