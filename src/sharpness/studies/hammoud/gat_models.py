"""Training (SGD with dropout), testing and measuring of the GATs, in stacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sharpness.data.small import Graph
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
from sharpness.studies.hammoud.procedures import GAT_STOPS, GatProcedure
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
)


def train_gat(
    field: Field, procedure: GatProcedure, weights: Weights, orders: Generators, drops: Generators
) -> tuple[Weights, list[int]]:
    """Train M models by SGD until the stop rule of each fires; stopped models do not change.

    ``orders`` and ``drops``, one generator per model, draw the order of the nodes and dropout. The
    result is the trained weights and the number of epochs of each model.
    """

    def epoch(models: list[int]) -> tuple[Loss[Tensor], Iterator[Tensor]]:
        dropout = Dropout([drops[i] for i in models])
        batches = gat_epoch(len(field.labels), [orders[i] for i in models])
        return lambda w, S: cross_entropy(w, field, S, dropout), batches

    rule, rate = GAT_STOPS[procedure.stop], procedure.learning_rate
    return train_stack(weights, len(orders), rule, rate, epoch)


STEPS = 5


def gat_sharpness(
    field: Field, procedure: GatProcedure, weights: Weights, batches: Generators, drops: Generators
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
    loss: Loss[Tensor],
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


def train_and_measure_gat(
    data: Graph, procedure: GatProcedure, base: int, models: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """Train and measure models of a pool, and yield `stacks.row` of each, in order.

    A model's random draws depend on (base, model) alone. Models are trained in stacks; the others
    in its stack change a model by no more than rounding.
    """
    if procedure.features_normalised:
        words = data.features.sum(axis=1, keepdims=True)
        data = replace(data, features=data.features / np.maximum(words, 1))
    train, test = receptive_field(data, data.train), receptive_field(data, data.test)
    shape = train.features.shape[1], int(data.labels.max()) + 1

    def measured(stack: list[int]) -> tuple[Any, ...]:
        drawn = partial(streams, base, stack)
        weights = gat_initial(*shape, drawn(Purpose.WEIGHTS))
        orders, drops = drawn(Purpose.ORDER), drawn(Purpose.DROPOUT)
        weights, epochs = train_gat(train, procedure, weights, orders, drops)
        right = gat_outputs(weights, test).argmax(dim=2) == test.labels[:, None]
        accuracy = right.double().mean(dim=0)
        first, again = (
            gat_sharpness(train, procedure, weights, stream, stream)
            for stream in (drawn(Purpose.MEASURE), drawn(Purpose.AGAIN))
        )
        return epochs, _loss(weights, train), _loss(weights, test), accuracy, first, again

    return rows_of_stacks("GAT", base, models, STACK, measured)


def _loss(weights: Weights, field: Field) -> Tensor:
    """Return the mean loss of each model over a field's nodes, in eval mode, (M,)."""
    nodes = len(field.labels)
    return cross_entropy(weights, field, torch.full((len(weights["W1"]), nodes), 1 / nodes))
