"""Measures of a solution: the exact Tr ∇²L, tr(∇²L ⊙ wwᵀ), and the project's sharpness.

They are checked against `ReferenceNetwork`, which is written from the definitions.

For a mean loss L = mean ℓ(f(x), y), with derivatives of ℓ by f,

    Tr ∇²L = mean(ℓ'' ‖∇f(x)‖² + ℓ' Tr ∇²f(x)).

A ReLU network without normalization is piecewise linear in each parameter alone, so ∇²f has a zero
diagonal almost everywhere; the second term is there for Softplus alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss, relu, softplus

from sharpness.measures.cell_values import Effort
from sharpness.measures.definition import Cell, Definition
from sharpness.measures.objective import Loss as TorchLoss
from sharpness.measures.sharpness import sharpness_table
from sharpness.studies.wen import batchnorm, layernorm
from sharpness.studies.wen.networks import (
    EPSILON,
    NAMES,
    Array,
    Floats,
    LearningTask,
    Loss,
    Weights,
    activation,
    doubles,
    hidden,
    slope,
)


class ReferenceNetwork(nn.Module):
    """A network of any architecture in ``NAMES``, with outputs of shape (examples,)."""

    W1: Tensor
    b1: Tensor
    W2: Tensor
    W3: Tensor
    g: Tensor
    train_inputs: Tensor

    def __init__(
        self, architecture: str, weights: Mapping[str, npt.ArrayLike], train: npt.ArrayLike
    ) -> None:
        """Copy the weights; ``train``, (n, d), gives simplified BatchNorm its statistics."""
        super().__init__()
        self.architecture = architecture
        for name in NAMES[architecture]:
            self.register_parameter(name, nn.Parameter(torch.tensor(np.asarray(weights[name]))))
        self.register_buffer("train_inputs", torch.tensor(np.asarray(train)))

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs, (examples,), for inputs (examples, d)."""
        if self.architecture == "three-layer":
            return relu(relu(self.hidden(x)) @ self.W2.T) @ self.W3
        return self.activations(x) @ self.W2

    def hidden(self, x: Tensor) -> Tensor:
        """Return h = W1 x + b1, (examples, m)."""
        h = x @ self.W1.T
        return h if self.architecture == "no-bias" else h + self.b1

    def activations(self, x: Tensor) -> Tensor:
        """Return W2's inputs, (examples, m): a, softplus(h), a over its norm, g a over its RMS."""
        h = self.hidden(x)
        if self.architecture == "softplus":
            return softplus(h)
        a = relu(h)
        if self.architecture == "layernorm":
            return a / a.norm(dim=1, keepdim=True).clamp_min(EPSILON)
        if self.architecture == "batchnorm":
            rms = relu(self.hidden(self.train_inputs)).square().mean(dim=0).sqrt()
            return self.g * a / torch.where(rms > 0, rms, torch.ones_like(rms))
        return a


def outputs(architecture: str, weights: Weights, X: npt.ArrayLike, train: npt.ArrayLike) -> Floats:
    """Return f(x), (examples,), in float64 for inputs X (examples, d).

    ``train`` holds all training inputs, (n, d), which give simplified BatchNorm its statistics.
    """
    w, x = doubles(weights), np.asarray(X, dtype=np.float64)
    if architecture == "layernorm":
        return layernorm.outputs(w, x)
    if architecture == "batchnorm":
        return batchnorm.outputs(w, x, np.asarray(train))
    a = activation(architecture, hidden(w, x))
    if architecture == "three-layer":
        return np.maximum(a @ w["W2"].T, 0) @ w["W3"]
    return a @ w["W2"]


def trace(
    architecture: str, weights: Weights, task: LearningTask, loss: Loss, *, adaptive: bool = False
) -> float:
    """Return Tr ∇²L over all parameters, in float64; L is the mean loss of the training examples.

    ``adaptive`` weighs each diagonal entry by its parameter's square: tr(∇²L ⊙ wwᵀ).
    """
    w, y = doubles(weights), task.targets
    sizes = {name: v**2 if adaptive else np.ones_like(v) for name, v in w.items()}
    f, squares, curvatures = derivatives(architecture, w, sizes, task.inputs)
    return float(np.mean(loss.curvature(f, y) * squares + loss.slope(f, y) * curvatures))


def derivatives(
    architecture: str, w: Weights, sizes: Weights, x: Floats
) -> tuple[Array, Array, Array]:
    """Return f(x), ‖∇f(x)‖² and Tr ∇²f(x), (n,) each, for weights in float64, inputs x (n, d).

    ``sizes``, of the weights' shapes, are factors of the squared and second derivatives by each.
    """
    if architecture in ("layernorm", "batchnorm"):
        module = layernorm if architecture == "layernorm" else batchnorm
        return module.derivatives(w, sizes, x)
    h = hidden(w, x)
    a, p = activation(architecture, h), slope(architecture, h)
    curved = p * (1 - p)  # φ''(h): zero for ReLU
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
    squares = squares + ((back * p) ** 2 * reach).sum(axis=1)
    return f, squares, (back * curved * reach).sum(axis=1)


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
