"""Plain SGD on a stack of models, each with its own shuffles and its own last epoch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch

from sharpness.simple.small_networks.ascent import Weights, descended, loss_and_gradient
from sharpness.simple.small_networks.fcnn.network import mean_squared_error
from sharpness.simple.small_networks.fcnn.procedure import STOPS, Procedure
from sharpness.simple.small_networks.fcnn.task import Task
from sharpness.simple.small_networks.stacks import train_stack


def train(
    task: Task, procedure: Procedure, weights: Weights, generators: Sequence[np.random.Generator]
) -> tuple[Weights, list[int]]:
    """Train until each model's stop rule fires; a model that has stopped stays as it is.

    Args:
        task: the rows.
        procedure: learning rate, batches and stop rule.
        weights: of M models, before.
        generators: of the order of the rows, one per model.

    Returns:
        The weights after, and the number of epochs of each model.
    """

    def epoch(part: Weights, models: list[int]) -> tuple[Weights, list[float]]:
        return _epoch(task, procedure, part, [generators[i] for i in models])

    return train_stack(weights, len(generators), STOPS[procedure.stop], epoch)


def _epoch(
    task: Task, procedure: Procedure, weights: Weights, generators: Sequence[np.random.Generator]
) -> tuple[Weights, list[float]]:
    """The weights after an epoch, and each model's sum of batch losses, taken before each step."""
    loss = partial(mean_squared_error, procedure=procedure)
    sums = torch.zeros(len(generators), dtype=torch.float64)
    for batch in task.epoch(generators, procedure.minibatches):
        values, gradient = loss_and_gradient(loss, weights, batch)
        weights = descended(weights, gradient, procedure.learning_rate)
        sums += values
    return weights, sums.tolist()
