"""Simplified LayerNorm, f(x) = W2 · u with u = a/max(‖a‖, ε), a = relu(W1 x + b1)."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt

from sharpness.simple.two_layer_relu import layernorm_steps
from sharpness.simple.two_layer_relu.data import Task
from sharpness.simple.two_layer_relu.descent import descend
from sharpness.simple.two_layer_relu.losses import Loss
from sharpness.simple.two_layer_relu.modules import EPSILON, Weights
from sharpness.simple.two_layer_relu.visits import Visits

Array = npt.NDArray[np.floating]
Floats = npt.NDArray[np.float64]


def advance(architecture: str, weights: Weights, visits: Visits) -> None:
    """Train in place; see ``algorithms.advance``.

    Args:
        architecture: "layernorm".
        weights: float32 or float64.
        visits: the examples and the settings.
    """
    if visits.phase.batch != 1:
        descend(partial(gradient, loss=visits.loss), weights, visits)
        return
    number = visits.X.dtype.type
    W = np.ascontiguousarray(np.vstack([weights["W1"].T, weights["b1"]]))
    layernorm_steps.train(
        W,
        weights["W2"],
        np.column_stack([visits.X, np.ones_like(visits.y)]),
        visits.goals,
        visits.orders,
        visits.logistic,
        *visits.rates,
        number(visits.phase.norm or 0),
        number(EPSILON),
    )
    weights["W1"][:], weights["b1"][:] = W[:-1].T, W[-1]


def gradient(weights: Weights, x: Array, y: Array, loss: Loss) -> Weights:
    """∇ of the mean loss of a batch, by the names of ``weights``.

    Args:
        weights: the network's weights.
        x: inputs, (examples, d).
        y: targets, (examples,).
        loss: ℓ(f, y).
    """
    f, u, first, _ = _derivatives(weights, x)
    slopes = (loss.slope(f, y) / len(y)).astype(f.dtype)
    back = slopes[:, None] * first  # dL/dh, (examples, m)
    return {"W1": back.T @ x, "b1": back.sum(axis=0), "W2": slopes @ u}


def outputs(weights: Weights, X: npt.ArrayLike) -> Floats:
    """Every input's f(x) in float64, (examples,).

    Args:
        weights: the network's weights.
        X: inputs, (examples, d).
    """
    w = _doubles(weights)
    a = np.maximum(np.asarray(X) @ w["W1"].T + w["b1"], 0)
    return (a @ w["W2"]) / np.maximum(np.linalg.norm(a, axis=1), EPSILON)


def trace(weights: Weights, task: Task, loss: Loss, *, adaptive: bool = False) -> float:
    """Tr ∇²L over all parameters, L the mean loss of the training examples.

    It is mean(ℓ'' ‖∇f‖² + ℓ' Tr ∇²f), and f is linear in W2.

    Args:
        weights: the network's weights; the calculation is in float64.
        task: whose training examples are used.
        loss: ℓ(f, y).
        adaptive: weigh each diagonal entry by its parameter's square: tr(∇²L ⊙ wwᵀ).
    """
    w, x = _doubles(weights), task.inputs
    sizes = {name: v**2 if adaptive else np.ones_like(v) for name, v in w.items()}
    f, u, first, second = _derivatives(w, x)
    # Σ of each neuron's (∂h/∂w)², times the weights' sizes, (n, m).
    reach = x**2 @ sizes["W1"].T + sizes["b1"]
    squares = u**2 @ sizes["W2"] + (first**2 * reach).sum(axis=1)  # ‖∇f‖², (n,)
    curvatures = (second * reach).sum(axis=1)  # Tr ∇²f, (n,)
    y = task.targets
    return float(np.mean(loss.curvature(f, y) * squares + loss.slope(f, y) * curvatures))


def _derivatives(weights: Weights, x: Array) -> tuple[Array, Array, Array, Array]:
    """Outputs f (examples,); u, ∂f/∂h and the diagonal of ∂²f/∂h², (examples, m).

    For an active neuron and ‖a‖ > ε they are (W2 − f u)/‖a‖ and (3 f u² − 2 W2 u − f)/‖a‖².
    """
    h = x @ weights["W1"].T + weights["b1"]
    a, W2 = np.maximum(h, 0), weights["W2"]
    norms = np.linalg.norm(a, axis=1, keepdims=True)
    curved = norms > EPSILON  # below ε the divisor is constant
    norms = np.maximum(norms, norms.dtype.type(EPSILON))
    u = a / norms
    f = u @ W2
    pull = curved * f[:, None]
    first = (h > 0) * (W2 - pull * u) / norms
    second = (h > 0) * curved * (pull * (3 * u**2 - 1) - 2 * W2 * u) / norms**2
    return f, u, first, second


def _doubles(weights: Weights) -> Weights:
    return {name: np.asarray(w, dtype=np.float64) for name, w in weights.items()}
