"""Training any of the networks: gradient descent, SGD, 1-SAM and label-noise SGD."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sharpness.simple.two_layer_relu import batchnorm, layernorm, plain, three_layer
from sharpness.simple.two_layer_relu.data import Task
from sharpness.simple.two_layer_relu.losses import Loss
from sharpness.simple.two_layer_relu.modules import Weights
from sharpness.simple.two_layer_relu.phases import Phase
from sharpness.simple.two_layer_relu.visits import Visits

TRAINERS = {
    "no-bias": plain,
    "bias": plain,
    "softplus": plain,
    "layernorm": layernorm,
    "batchnorm": batchnorm,
    "three-layer": three_layer,
}
"""The module that trains each architecture, by its ``advance``."""


def advance(
    architecture: str,
    weights: Weights,
    task: Task,
    loss: Loss,
    phase: Phase,
    epochs: int,
    seed: Sequence[int],
) -> None:
    """Train ``weights`` for some epochs, in place and in their own precision.

    Each epoch visits the training examples in a fresh order; the last batch of an epoch is smaller
    where the batch size does not divide n. A run in chunks gives each chunk a seed of its own.

    Args:
        architecture: a key of ``NAMES``.
        weights: the network's weights; C-contiguous float32 or float64 arrays, changed in place.
        task: whose training examples are used.
        loss: ℓ(f, y).
        phase: the settings; its own ``epochs`` is not read.
        epochs: how many to train for.
        seed: of the orders and of the label noise.
    """
    n, precision = len(task.targets), weights["W1"].dtype
    rng = np.random.default_rng(list(seed))
    orders = rng.permuted(np.tile(np.arange(n), (epochs, 1)), axis=1)  # (epochs, n)
    noise = np.zeros((epochs, n), dtype=precision)
    if phase.noise:
        noise[:] = phase.noise * rng.choice([-1.0, 1.0], size=(epochs, n))
    X, y = task.inputs.astype(precision), task.targets.astype(precision)
    visits = Visits(X, y, loss, phase, orders, noise)
    TRAINERS[architecture].advance(architecture, weights, visits)
