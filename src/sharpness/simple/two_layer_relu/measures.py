"""What is measured on a solution beside Tr ∇²L: the adaptive trace and the project's sharpness."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from sharpness.definition import Cell, Definition
from sharpness.measure import sharpness_table
from sharpness.objective import Loss as TorchLoss
from sharpness.simple.two_layer_relu.data import Task
from sharpness.simple.two_layer_relu.losses import Loss
from sharpness.simple.two_layer_relu.modules import TwoLayer, Weights
from sharpness.simple.two_layer_relu.traces import outputs, trace
from sharpness.tasks import Effort

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
"""What ``measured`` returns."""

_LOSSES: dict[str, TorchLoss] = {"mse": mse_loss, "logistic": binary_cross_entropy_with_logits}


def measured(architecture: str, weights: Weights, task: Task, loss: Loss) -> dict[str, float]:
    """Every measure of a network, in float64, on all training examples as one batch.

    Args:
        architecture: a key of ``modules.NAMES``.
        weights: its weights, of any precision.
        task: whose training examples are used.
        loss: that of the training.

    Returns:
        Tr ∇²L, its part that fitting leaves, Tr(∇²L ⊙ wwᵀ) and the sharpness of each cell, by
        ``COLUMNS``. The noise is the same for all networks of a shape.
    """
    weights = {name: value.astype(np.float64) for name, value in weights.items()}
    model = TwoLayer(architecture, weights, task.inputs)
    batch = (torch.tensor(task.inputs), torch.tensor(loss.goal(task.targets)))
    found = sharpness_table(model, [batch], CELLS, loss=_LOSSES[loss.kind], effort=EFFORT)
    return {
        "trace": trace(architecture, weights, task, loss),
        "gauss_newton": gauss_newton(architecture, weights, task, loss),
        "adaptive_trace": trace(architecture, weights, task, loss, adaptive=True),
        **{cell.id: estimate.value for cell, estimate in found.items()},
    }


def gauss_newton(architecture: str, weights: Weights, task: Task, loss: Loss) -> float:
    """Mean ℓ'' ‖∇f‖²: Tr ∇²L as if every example were fitted, so that its ℓ' is 0 (Lemma 4.1).

    For ReLU without normalization it is Tr ∇²L itself.

    Args:
        architecture: a key of ``modules.NAMES``.
        weights: its weights, of any precision.
        task: whose training examples are used.
        loss: that of the training.
    """
    f = outputs(architecture, weights, task.inputs, task.inputs)
    at_zero, at_one = loss.slope(f, np.zeros_like(f)), loss.slope(f, np.ones_like(f))
    fitted = at_zero / (at_zero - at_one)  # the targets at which ℓ', linear in them, is 0
    return trace(architecture, weights, replace(task, targets=fitted), loss)
