"""Gradient descent, SGD and SAM in batches of any size, for a network whose gradient is given."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sharpness.simple.two_layer_relu.modules import Weights
from sharpness.simple.two_layer_relu.visits import Visits

Array = npt.NDArray[np.floating]
Gradient = Callable[[Weights, Array, Array], Weights]


def descend(gradient: Gradient, weights: Weights, visits: Visits) -> None:
    """Train in place with any batch size; see ``algorithms.advance``.

    Args:
        gradient: ∇ of a batch's mean loss, by the names of the weights, from the weights, the
            batch's inputs (examples, d) and its targets (examples,).
        weights: float32 or float64.
        visits: the examples and the settings.
    """
    X, y, phase = visits.X, visits.y, visits.phase
    size, rate = phase.batch or len(y), phase.learning_rate
    for order, shift in zip(visits.orders, visits.noise, strict=True):
        for start in range(0, len(y), size):
            part = slice(start, start + size)
            batch = X[order[part]], y[order[part]] + shift[part]
            g = gradient(weights, *batch)
            norm = float(np.sqrt(sum(np.vdot(slope, slope) for slope in g.values())))
            if phase.rho > 0 and norm > 0:
                climb = phase.rho / norm
                g = gradient({name: w + climb * g[name] for name, w in weights.items()}, *batch)
            for name, w in weights.items():
                w *= 1 - rate * phase.weight_decay
                w -= rate * g[name]
            if phase.norm is not None:
                first = weights["W1"], weights["b1"]
                factor = phase.norm / np.sqrt(sum(np.vdot(w, w) for w in first))
                for w in first:
                    w *= factor
