"""Plain SGD with dropout on a stack of models, each with its own draws and its own last epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from sharpness.simple.small_networks.ascent import Weights, descended, loss_and_gradient
from sharpness.simple.small_networks.gat.batches import epoch
from sharpness.simple.small_networks.gat.dropout import Dropout
from sharpness.simple.small_networks.gat.field import Field
from sharpness.simple.small_networks.gat.network import cross_entropy
from sharpness.simple.small_networks.gat.procedure import STOPS, Procedure
from sharpness.simple.small_networks.stacks import train_stack

Streams = Sequence[np.random.Generator]


def train(
    field: Field, procedure: Procedure, weights: Weights, orders: Streams, drops: Streams
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

    return train_stack(weights, len(orders), STOPS[procedure.stop], one)


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
