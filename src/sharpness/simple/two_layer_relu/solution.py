"""A solution: what is written of a trained or constructed network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from sharpness.simple.two_layer_relu.batchnorm import active_neurons
from sharpness.simple.two_layer_relu.constructions import bound
from sharpness.simple.two_layer_relu.data import Task
from sharpness.simple.two_layer_relu.measures import COLUMNS as MEASURES
from sharpness.simple.two_layer_relu.modules import Weights
from sharpness.simple.two_layer_relu.runs import Run

COLUMNS = (
    *("architecture", "run", "role", "seed", "task", "loss", "schedule", "epochs"),
    *("status", "reason", "train_loss", "train_error", "test_error"),
    *("bound", "active_bound"),
    *MEASURES,
)
"""Of the CSV of solutions.

Errors are shares of wrong signs, or on the ball mean squared errors. ``bound`` is the least trace
of any interpolator, ``active_bound`` that with as many active neurons, where they matter.
"""

POINTS = (
    *("run", "seed", "epoch", "train_loss", "train_error", "test_error", "trace", "gauss_newton"),
)
"""Of the CSV of curves."""


@dataclass(frozen=True)
class Solution:
    """A trained or constructed network.

    Attributes:
        row: by ``COLUMNS``.
        curve: its points over the training, by ``POINTS``; none for a construction.
        weights: the network.
    """

    row: dict[str, Any]
    curve: list[dict[str, Any]]
    weights: Weights


def bounds(run: Run, weights: Weights, task: Task) -> dict[str, float]:
    """``bound`` and ``active_bound`` where they are known: for parity by squared error.

    The latter is 4√k with simplified BatchNorm, whose k active neurons each add to the trace.

    Args:
        run: of the architecture.
        weights: the network.
        task: its examples.
    """
    known = ("no-bias", "bias", "layernorm", "batchnorm")
    if not run.pool or run.architecture not in known:
        return {}
    found = {"bound": bound(run.architecture, run.task.d)}
    if run.architecture == "batchnorm":
        found["active_bound"] = 4 * math.sqrt(active_neurons(weights, task.inputs))
    return found
