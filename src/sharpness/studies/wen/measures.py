"""Measures of a solution: the exact Tr ∇²L, tr(∇²L ⊙ wwᵀ), and the project's sharpness.

For a mean loss L = mean ℓ(f(x), y), with derivatives of ℓ by f,

    Tr ∇²L = mean(ℓ'' ‖∇f(x)‖² + ℓ' Tr ∇²f(x)).

A ReLU network without normalization is piecewise linear in each parameter alone, so ∇²f has a zero
diagonal almost everywhere; the second term is there for Softplus alone.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from sharpness.measures.cell_values import Effort
from sharpness.measures.definition import Cell, Definition
from sharpness.measures.objective import Loss as TorchLoss
from sharpness.measures.sharpness import sharpness_table
from sharpness.studies.wen import batchnorm, layernorm
from sharpness.studies.wen.networks import LearningTask, Loss, ReferenceNetwork, Weights, doubles

Floats = npt.NDArray[np.float64]


def outputs(architecture: str, weights: Weights, X: npt.ArrayLike, train: npt.ArrayLike) -> Floats:
    """Return f(x), (examples,), in float64 for inputs X (examples, d).

    ``train`` holds all training inputs, (n, d), which give simplified BatchNorm its statistics.
    """
    if architecture == "layernorm":
        return layernorm.outputs(weights, X)
    if architecture == "batchnorm":
        return batchnorm.outputs(weights, X, train)
    w = doubles(weights)
    h = _hidden(w, np.asarray(X, dtype=np.float64))
    a = np.logaddexp(0, h) if architecture == "softplus" else np.maximum(h, 0)
    if architecture == "three-layer":
        return np.maximum(a @ w["W2"].T, 0) @ w["W3"]
    return a @ w["W2"]


def trace(
    architecture: str, weights: Weights, task: LearningTask, loss: Loss, *, adaptive: bool = False
) -> float:
    """Return Tr ∇²L over all parameters, in float64; L is the mean loss of the training examples.

    ``adaptive`` weighs each diagonal entry by its parameter's square: tr(∇²L ⊙ wwᵀ).
    """
    if architecture in ("layernorm", "batchnorm"):
        module = layernorm if architecture == "layernorm" else batchnorm
        return module.trace(weights, task, loss, adaptive=adaptive)
    w = doubles(weights)
    # Weights of the sums of squared derivatives by the parameters.
    sizes = {name: v**2 if adaptive else np.ones_like(v) for name, v in w.items()}
    x = task.inputs
    a, p, curved = _activations(architecture, _hidden(w, x))
    # Σ over each hidden unit's weights of (∂h/∂w)² times their sizes, (n, m).
    reach = x**2 @ sizes["W1"].T + sizes.get("b1", 0.0)
    if architecture == "three-layer":
        h = a @ w["W2"].T
        back = (h > 0) * w["W3"]  # ∂f/∂h of the second layer
        f = np.maximum(h, 0) @ w["W3"]
        squares = np.maximum(h, 0) ** 2 @ sizes["W3"] + ((back**2 @ sizes["W2"]) * a**2).sum(axis=1)
        back = back @ w["W2"]
    else:
        f, back = a @ w["W2"], w["W2"]
        squares = a**2 @ sizes["W2"]
    squares = squares + ((back * p) ** 2 * reach).sum(axis=1)  # ‖∇f‖², (n,)
    second = (back * curved * reach).sum(axis=1)  # Tr ∇²f, (n,)
    y = task.targets
    return float(np.mean(loss.curvature(f, y) * squares + loss.slope(f, y) * second))


def _activations(architecture: str, h: Floats) -> tuple[Floats, Floats, Floats]:
    """Return φ(h), φ'(h) and φ''(h), each of the shape of h."""
    if architecture == "softplus":
        p = 0.5 * (1 + np.tanh(h / 2))
        return np.logaddexp(0, h), p, p * (1 - p)
    return np.maximum(h, 0), (h > 0).astype(np.float64), np.zeros_like(h)


def _hidden(w: Weights, x: Floats) -> Floats:
    """Return the first layer before its activation, (examples, m)."""
    h = x @ w["W1"].T
    return h + w["b1"] if "b1" in w else h


CELLS = tuple(
    Cell(Definition.parse(f"{definition}-adaptive-rawlogits"), radius)
    for definition, radius in (
        ("average-l2", 0.05),
        ("average-linf", 0.05),
        ("worst-l2", 0.1),
        ("worst-linf", 0.002),
    )
)
"""The adaptive definitions (Eq. 1 with c = |w|), each at one small radius."""

EFFORT = Effort(steps=10, samples=20, antithetic=True)

COLUMNS = ("trace", "gauss_newton", "adaptive_trace", *(cell.id for cell in CELLS))
"""Keys of the result of `measure_solution`."""

_LOSSES: dict[str, TorchLoss] = {"mse": mse_loss, "logistic": binary_cross_entropy_with_logits}


def measure_solution(
    architecture: str, weights: Weights, task: LearningTask, loss: Loss
) -> dict[str, float]:
    """Return the measures of a network by ``COLUMNS``, in float64, training set as one batch.

    These are Tr ∇²L, `gauss_newton`, Tr(∇²L ⊙ wwᵀ) and the sharpness of each cell. The noise is the
    same for all networks of a shape.
    """
    weights = {name: value.astype(np.float64) for name, value in weights.items()}
    model = ReferenceNetwork(architecture, weights, task.inputs)
    batch = (torch.tensor(task.inputs), torch.tensor(loss.goal(task.targets)))
    found = sharpness_table(model, [batch], CELLS, loss=_LOSSES[loss.kind], effort=EFFORT)
    return {
        "trace": trace(architecture, weights, task, loss),
        "gauss_newton": gauss_newton(architecture, weights, task, loss),
        "adaptive_trace": trace(architecture, weights, task, loss, adaptive=True),
        **{cell.id: estimate.value for cell, estimate in found.items()},
    }


def gauss_newton(architecture: str, weights: Weights, task: LearningTask, loss: Loss) -> float:
    """Return mean ℓ'' ‖∇f‖²: Tr ∇²L as if every example were fitted, with ℓ' = 0 (Lemma 4.1).

    For ReLU without normalization it is Tr ∇²L itself.
    """
    f = outputs(architecture, weights, task.inputs, task.inputs)
    at_zero, at_one = loss.slope(f, np.zeros_like(f)), loss.slope(f, np.ones_like(f))
    fitted = at_zero / (at_zero - at_one)  # the targets at which ℓ', linear in them, is 0
    return trace(architecture, weights, replace(task, targets=fitted), loss)
