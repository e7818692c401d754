"""Gradient descent, SGD and SAM at any batch size, and the settings of a training phase."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sharpness.studies.wen.networks import Loss, Weights


@dataclass(frozen=True)
class Phase:
    """Settings of a number of epochs.

    A step is θ ← θ − lr (g + λθ). Without SAM, g is the gradient of the batch's mean loss at θ;
    with SAM at θ + ρ∇L/‖∇L‖, where L is the same batch's loss without weight decay.

    Attributes:
        learning_rate: lr.
        epochs: passes over the training examples.
        rho: ρ of SAM; 0 is plain gradient descent.
        batch: examples per step; 0 is all of them.
        weight_decay: λ.
        noise: label noise: targets are y ± this, with a fresh sign at each visit.
        norm: value to which ‖(W1, b1)‖ is rescaled after each step; None leaves it alone. Only for
            simplified LayerNorm, whose outputs do not depend on this norm.
    """

    learning_rate: float
    epochs: int
    rho: float = 0.0
    batch: int = 1
    weight_decay: float = 0.0
    noise: float = 0.0
    norm: float | None = None


Array = npt.NDArray[np.floating]


@dataclass(frozen=True)
class EpochSchedule:
    """Some epochs over the training examples.

    Attributes:
        X: training inputs, (n, d), float32 or float64 as the weights are.
        y: targets, (n,), of the same precision.
        loss: ℓ(f, y).
        phase: the settings; its ``epochs`` is not read.
        orders: indices of the examples in the order of their visits, (epochs, n).
        noise: added to the targets at each visit, (epochs, n).
    """

    X: Array
    y: Array
    loss: Loss
    phase: Phase
    orders: npt.NDArray[np.int64]
    noise: Array

    @property
    def goals(self) -> Array:
        """Return the noisy targets as the loss takes them, in the order of visits, (epochs, n)."""
        return self.loss.goal(self.y[self.orders] + self.noise).astype(self.X.dtype)

    @property
    def rates(self) -> tuple[np.floating, np.floating, np.floating]:
        """Return the learning rate, ρ and weight decay's factor 1 − lr λ, in X's precision."""
        number, rate = self.X.dtype.type, self.phase.learning_rate
        return number(rate), number(self.phase.rho), number(1 - rate * self.phase.weight_decay)

    @property
    def logistic(self) -> bool:
        """Return whether the loss is the logistic one."""
        return self.loss.kind == "logistic"


def gradient(architecture: str, loss: Loss, weights: Weights, x: Array, y: Array) -> Weights:
    """Return the gradient of a batch's mean loss, by the names of ``weights``.

    ``architecture`` is "no-bias", "bias", "softplus" or "three-layer"; x is (examples, d),
    y (examples,).
    """
    h = x @ weights["W1"].T  # (examples, m)
    if "b1" in weights:
        h += weights["b1"]
    if architecture == "softplus":
        a, p = np.logaddexp(0, h), 0.5 * (1 + np.tanh(h / 2))
    else:
        a, p = np.maximum(h, 0), (h > 0).astype(h.dtype)
    g: Weights = {}
    if architecture == "three-layer":
        g, back = _upper_layers(weights, a, y, loss)
    else:
        s = _slopes(a @ weights["W2"], y, loss)
        g["W2"] = s @ a
        back = np.outer(s, weights["W2"])
    back *= p  # dL/dh, (examples, m)
    g["W1"] = back.T @ x
    if "b1" in weights:
        g["b1"] = back.sum(axis=0)
    return g


def _upper_layers(weights: Weights, a: Array, y: Array, loss: Loss) -> tuple[Weights, Array]:
    """Return the gradients of W2 and W3 of a three-layer network, and dL/da, (examples, m)."""
    h = a @ weights["W2"].T
    s = _slopes(np.maximum(h, 0) @ weights["W3"], y, loss)
    back = np.outer(s, weights["W3"]) * (h > 0)  # dL/dh of the second layer
    return {"W2": back.T @ a, "W3": s @ np.maximum(h, 0)}, back @ weights["W2"]


def _slopes(f: Array, y: Array, loss: Loss) -> Array:
    """Return dL/df of the batch's mean loss, in the precision of ``f``."""
    return (loss.slope(f, y) / len(y)).astype(f.dtype)


Gradient = Callable[[Weights, Array, Array], Weights]


def descend(gradient: Gradient, weights: Weights, visits: EpochSchedule) -> None:
    """Train ``weights`` in place with any batch size, as `training.advance` documents.

    ``gradient`` maps weights, a batch's inputs (examples, d) and targets (examples,) to the
    gradient of the batch's mean loss.
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
