"""The GAT's models: trained by SGD with dropout, tested, their sharpness measured, in stacks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sharpness.data.planetoid import Graph
from sharpness.simple.small_networks import ascent
from sharpness.simple.small_networks.ascent import (
    Box,
    Weights,
    descended,
    loss_and_gradient,
    train_stack,
)
from sharpness.simple.small_networks.gat import (
    Dropout,
    Field,
    cross_entropy,
    drawn,
    epoch,
    initial,
    outputs,
    receptive_field,
)
from sharpness.simple.small_networks.models import Purpose, row, streams
from sharpness.simple.small_networks.procedures import GAT_STOPS, GatProcedure

Streams = Sequence[np.random.Generator]


def train(
    field: Field, procedure: GatProcedure, weights: Weights, orders: Streams, drops: Streams
) -> tuple[Weights, list[int]]:
    """Train until each model's stop rule fires; a model that has stopped stays as it is.

    Args:
        field: of the training nodes.
        procedure: learning rate and stop rule.
        weights: of M models, before.
        orders: streams of the nodes' order, one per model.
        drops: streams of dropout, one per model.

    Returns:
        The weights after, and the number of epochs of each model.
    """

    def one(part: Weights, models: list[int]) -> tuple[Weights, list[float]]:
        streams = [orders[i] for i in models], [drops[i] for i in models]
        return _epoch(field, procedure.learning_rate, part, *streams)

    return train_stack(weights, len(orders), GAT_STOPS[procedure.stop], one)


def _epoch(
    field: Field, learning_rate: float, weights: Weights, orders: Streams, drops: Streams
) -> tuple[Weights, list[float]]:
    """The weights after an epoch, and each model's sum of batch losses, taken before each step."""
    dropout = Dropout(drops)
    sums = torch.zeros(len(orders), dtype=torch.float64)
    for shares in epoch(len(field.labels), orders):
        values, gradient = loss_and_gradient(
            lambda w, S: cross_entropy(w, field, S, dropout), weights, shares
        )
        weights = descended(weights, gradient, learning_rate)
        sums += values
    return weights, sums.tolist()


STEPS = 5

Loss = Callable[[Weights, Tensor], Tensor]


def sharpness(
    field: Field, procedure: GatProcedure, weights: Weights, batches: Streams, drops: Streams
) -> Tensor:
    """The sharpness of each model, (M,), float64; not finite where the loss is not.

    Args:
        field: of the training nodes.
        procedure: restarts, learning rate, ball and objective.
        weights: of M models.
        batches: streams of the batches, one per model.
        drops: streams of dropout, one per model; not drawn from if dropout is off.
    """
    dropout = Dropout(drops) if procedure.dropout_in_measure else None

    def loss(w: Weights, shares: Tensor) -> Tensor:
        return cross_entropy(w, field, shares, dropout)

    nodes = len(field.labels)
    draws = (
        drawn(nodes, batches, duplicates=procedure.duplicates) for _ in range(procedure.restarts)
    )
    if procedure.objective == "batch":
        return ascent.sharpness(
            weights,
            loss,
            draws,
            rho=procedure.rho,
            learning_rate=procedure.learning_rate,
            steps=STEPS,
        )

    def summed(w: Weights) -> Tensor:
        with torch.no_grad():
            sums = [loss(w, shares) for shares in epoch(nodes, batches)]
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
    """The greatest objective after a step of one ascent of another loss, (M,)."""
    box = Box.around(weights, procedure.rho)
    at = weights
    values = []
    for _ in range(STEPS):
        _, gradient = loss_and_gradient(loss, at, shares)
        at = box.project(descended(at, gradient, -procedure.learning_rate))
        values.append(objective(at))
    return torch.stack(values).amax(dim=0)


STACK = 25
"""Models trained together; a model takes a quarter of the time that it takes alone."""


@dataclass(frozen=True)
class _Fields:
    """What training and testing see of the graph."""

    train: Field
    test: Field


def measured(
    data: Graph,
    procedure: GatProcedure,
    base: int,
    models: Sequence[int],
) -> Iterator[dict[str, Any]]:
    """Train and measure models of a pool.

    A model's draws depend on (base, model) alone. Models are trained in stacks; which others are
    in its stack changes a model by no more than rounding.

    Args:
        data: the graph.
        procedure: how.
        base: seed base of the pool.
        models: their indices.

    Yields:
        Rows without network and procedure, in the order of ``models``.
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
    """The rows of models that are trained and measured together."""

    def measure(purpose: Purpose) -> Tensor:
        drawn = streams(base, models, purpose)
        return sharpness(fields.train, procedure, weights, drawn, drawn)

    weights = initial(
        fields.train.features.shape[1], classes, streams(base, models, Purpose.WEIGHTS)
    )
    orders, drops = streams(base, models, Purpose.ORDER), streams(base, models, Purpose.DROPOUT)
    weights, epochs = train(fields.train, procedure, weights, orders, drops)
    train_loss, test_loss = _loss(weights, fields.train), _loss(weights, fields.test)
    right = outputs(weights, fields.test).argmax(dim=2) == fields.test.labels[:, None]
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
    """The mean loss of each model over a field's nodes, in eval mode, (M,)."""
    nodes = len(field.labels)
    return cross_entropy(weights, field, torch.full((len(weights["W1"]), nodes), 1 / nodes))
