"""The sharpness of a stack of models, by the text's restarts or by the notebook's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from sharpness.simple.small_networks import ascent
from sharpness.simple.small_networks.ascent import Box, Weights
from sharpness.simple.small_networks.gat.batches import drawn, epoch
from sharpness.simple.small_networks.gat.dropout import Dropout
from sharpness.simple.small_networks.gat.field import Field
from sharpness.simple.small_networks.gat.network import cross_entropy
from sharpness.simple.small_networks.gat.procedure import Procedure

STEPS = 5

Streams = Sequence[np.random.Generator]
Loss = Callable[[Weights, Tensor], Tensor]


def sharpness(
    field: Field, procedure: Procedure, weights: Weights, batches: Streams, drops: Streams
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
    procedure: Procedure,
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
        _, gradient = ascent.loss_and_gradient(loss, at, shares)
        at = box.project(ascent.descended(at, gradient, -procedure.learning_rate))
        values.append(objective(at))
    return torch.stack(values).amax(dim=0)
