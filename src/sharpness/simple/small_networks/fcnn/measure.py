"""The sharpness of a stack of models, by the text's restarts or by the notebook's single run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from sharpness.simple.small_networks import ascent
from sharpness.simple.small_networks.ascent import Box, Weights
from sharpness.simple.small_networks.fcnn.network import mean_squared_error
from sharpness.simple.small_networks.fcnn.procedure import Procedure
from sharpness.simple.small_networks.fcnn.task import Task

RESTARTS = 50
STEPS = 5
EPOCHS = 6  # of a single run


def sharpness(
    task: Task, procedure: Procedure, weights: Weights, generators: Sequence[np.random.Generator]
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
    task: Task, procedure: Procedure, weights: Weights, generators: Sequence[np.random.Generator]
) -> Tensor:
    """The rise of the whole training loss at the best epoch's end of one ascent."""
    loss = partial(mean_squared_error, procedure=procedure)
    box = Box.around(weights, procedure.rho, repaired=procedure.repaired_projection)
    at = worst = weights
    greatest = torch.full((len(generators),), -torch.inf, dtype=torch.float64)
    for _ in range(EPOCHS):
        total = torch.zeros_like(greatest)
        for batch in task.epoch(generators, procedure.minibatches):
            values, gradient = ascent.loss_and_gradient(loss, at, batch)
            at = box.project(ascent.descended(at, gradient, -procedure.learning_rate))
            total += values
        better = (total > greatest)[:, None, None]
        worst = {name: torch.where(better, at[name], worst[name]) for name in at}
        greatest = greatest.maximum(total)
    everything = task.whole(len(generators))
    return loss(worst, everything).double() - loss(weights, everything).double()
