"""The GAT's pool: rows of trained and measured models."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sharpness.data.planetoid import Graph
from sharpness.simple.small_networks.ascent import Weights
from sharpness.simple.small_networks.draws import Purpose, generator
from sharpness.simple.small_networks.gat.field import Field, receptive_field
from sharpness.simple.small_networks.gat.measure import sharpness
from sharpness.simple.small_networks.gat.network import cross_entropy, initial, outputs
from sharpness.simple.small_networks.gat.procedure import Procedure
from sharpness.simple.small_networks.gat.training import train
from sharpness.simple.small_networks.rows import row

STACK = 25
"""Models trained together; a model takes a quarter of the time that it takes alone."""


@dataclass(frozen=True)
class _Fields:
    """What training and testing see of the graph."""

    train: Field
    test: Field


def measured(
    data: Graph,
    procedure: Procedure,
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
    procedure: Procedure,
    base: int,
    models: list[int],
) -> Iterator[dict[str, Any]]:
    """The rows of models that are trained and measured together."""

    def streams(purpose: Purpose) -> list[np.random.Generator]:
        return [generator(base, model, purpose) for model in models]

    def measure(purpose: Purpose) -> Tensor:
        drawn = streams(purpose)
        return sharpness(fields.train, procedure, weights, drawn, drawn)

    weights = initial(fields.train.features.shape[1], classes, streams(Purpose.WEIGHTS))
    orders, drops = streams(Purpose.ORDER), streams(Purpose.DROPOUT)
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
