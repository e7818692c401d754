"""Small networks of Wen, Ma and Li, and their steps and traces by autograd from the definitions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd.functional import hessian
from torch.func import functional_call
from torch.nn.functional import binary_cross_entropy_with_logits

from sharpness.studies.wen.measures import ReferenceNetwork
from sharpness.studies.wen.networks import (
    EpochSchedule,
    LearningTask,
    Loss,
    Weights,
    initial_weights,
    parity,
)
from sharpness.studies.wen.runs import Phase
from sharpness.studies.wen.training import TRAINERS

MSE, LOGISTIC = Loss("mse"), Loss("logistic", smoothing=0.2)
LOSSES = pytest.mark.parametrize("loss", [MSE, LOGISTIC], ids=["mse", "logistic"])
SEEDS = st.integers(0, 2**31)
D, N, EPOCHS = 4, 7, 3
TASK = parity(3, d=D, n=N, test=50)


def network(architecture: str, seed: int = 0, width: int = 12) -> Weights:
    """Float64 weights with outputs of order one; with biases, two neurons are always silent."""
    start = initial_weights(architecture, D, width, seed, gain=0.3)
    weights = {name: np.array(2 * w, dtype=float) for name, w in start.items()}
    if "b1" in weights:
        weights["b1"][:2] = -10
    return weights


def single(weights: Weights) -> Weights:
    return {name: w.astype(np.float32) for name, w in weights.items()}


def visits(epochs: int = EPOCHS, n: int = N) -> npt.NDArray[np.int64]:
    return np.random.default_rng(0).permuted(np.tile(np.arange(n), (epochs, 1)), axis=1)


def trained(
    architecture: str,
    weights: Weights,
    phase: Phase,
    loss: Loss = MSE,
    task: LearningTask = TASK,
    noise: npt.ArrayLike = 0.0,
    orders: npt.NDArray[np.int64] | None = None,
) -> Weights:
    """What the trainer makes of a copy of the weights, in their precision."""
    weights = {name: w.copy() for name, w in weights.items()}
    precision = weights["W1"].dtype
    orders = visits() if orders is None else orders
    noise = np.broadcast_to(np.asarray(noise, precision), orders.shape)
    X, y = task.inputs.astype(precision), task.targets.astype(precision)
    TRAINERS[architecture].advance(
        architecture, weights, EpochSchedule(X, y, loss, phase, orders, noise)
    )
    return weights


def example_losses(f: Tensor, y: Tensor, loss: Loss) -> Tensor:
    """ℓ(f, y) from its definition; a target of the logistic loss stands for a probability."""
    if loss.kind == "mse":
        return (f - y).square()
    probability = (1 - loss.smoothing) * (1 + y) / 2 + loss.smoothing * (1 - y) / 2
    return binary_cross_entropy_with_logits(f, probability, reduction="none")


def gradient(architecture: str, weights: Weights, x, y, loss: Loss) -> Weights:
    """∇ of the mean loss of some examples."""
    module = ReferenceNetwork(architecture, weights, TASK.inputs)
    example_losses(module(torch.tensor(x)), torch.tensor(y), loss).mean().backward()
    return {name: np.asarray(part.grad) for name, part in module.named_parameters()}


def trained_by_autograd(
    architecture: str, weights: Weights, phase: Phase, loss: Loss, noise: npt.NDArray[np.float64]
) -> Weights:
    """The same steps on ``TASK`` from their definition (Phase)."""
    size = phase.batch or N
    for order, shifts in zip(visits(), noise, strict=True):
        for start in range(0, N, size):
            rows = order[start : start + size]
            batch = TASK.inputs[rows], TASK.targets[rows] + shifts[start : start + size], loss
            g = gradient(architecture, weights, *batch)
            if phase.rho:
                norm = np.sqrt(sum(np.sum(part**2) for part in g.values()))
                there = {k: w + phase.rho * g[k] / norm for k, w in weights.items()}
                g = gradient(architecture, there, *batch)
            rate, decay = phase.learning_rate, phase.weight_decay
            weights = {k: w - rate * (g[k] + decay * w) for k, w in weights.items()}
            if phase.norm:
                first = np.column_stack([weights["W1"], weights["b1"]])
                factor = phase.norm / np.linalg.norm(first)
                weights |= {name: factor * weights[name] for name in ("W1", "b1")}
    return weights


def hessian_trace(
    architecture: str,
    weights: Weights,
    task: LearningTask,
    loss: Loss = MSE,
    *,
    adaptive: bool = False,
) -> float:
    """The diagonal of the whole Hessian by autograd, summed."""
    module = ReferenceNetwork(architecture, weights, task.inputs)
    flat = torch.cat([torch.tensor(w).flatten() for w in weights.values()])
    shapes = [np.shape(w) for w in weights.values()]
    sizes = [int(np.prod(shape)) for shape in shapes]

    def mean_loss(values: Tensor) -> Tensor:
        parts = zip(weights, values.split(sizes), shapes, strict=True)
        parameters = {name: part.reshape(shape) for name, part, shape in parts}
        f = functional_call(module, parameters, torch.tensor(task.inputs))
        return example_losses(f, torch.tensor(task.targets), loss).mean()

    diagonal = hessian(mean_loss, flat).diagonal()
    return float((diagonal * flat**2 if adaptive else diagonal).sum())
