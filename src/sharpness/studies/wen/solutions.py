"""Solutions of P_xor: trained runs, and explicit flattest interpolators (Wen et al., 2023).

Some of the explicit ones memorise, others generalise.

At interpolation Tr ∇²L = (2/n) Σᵢ ‖∇f(xᵢ)‖² for squared error (Lemma 4.1), and each architecture
bounds the norms from below. With one active neuron, h = w·x + b > 0, the bounds are met:

    no bias    ‖∇f‖² = W2² ‖x‖² + h² ≥ 2 ‖x‖ |y|, equal iff |W2| ‖x‖ = h;
    bias       the same with x' = (x, 1);
    LayerNorm  f = W2 whatever w and b, and ∂f/∂W2 = 1;
    BatchNorm  each neuron that is active on some example adds g² to the mean, and g adds 1/g².

A trained solution depends on its run, its seed and the schedule alone, not on the rest of its job.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from sharpness.io.errors import UserError
from sharpness.io.files import write_csv
from sharpness.studies.wen.batchnorm import active_neurons
from sharpness.studies.wen.measures import COLUMNS as MEASURES
from sharpness.studies.wen.measures import measure_solution
from sharpness.studies.wen.networks import LearningTask, Weights
from sharpness.studies.wen.runs import Run
from sharpness.studies.wen.training import Training
from sharpness.training import checkpoint

CORNERS = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])
"""The four pairs of the first two signs; their products are y."""

_SCALE = 1e4  # ‖W1‖ of the BatchNorm networks; their trace nears its bound as 1/‖W1‖²


def least_trace(architecture: str, d: int) -> float:
    """Return the infimum of Tr ∇²L over the interpolators of P_xor with squared error.

    It is 4√d without bias (Thm 3.1), 4√(d + 1) with bias (Thm 4.1) and 2 with simplified LayerNorm
    (Thm 5.1); all three are attained. With simplified BatchNorm, k active neurons give at least
    2 (k g² + 1/g²) ≥ 4√k, approached as ‖W1‖ grows, so that the fewest neurons that interpolate are
    the flattest. Three do (`generalising`) and two cannot, if the training set holds all four sign
    pairs with the same remaining signs (Condition 1 of Thm 3.2): h is affine, so a positive neuron
    that is active on (+, +) and (−, −) sums to at least as much over the other two corners, and a
    negative one vice versa. Hence 4√3 ≈ 6.93. The XOR network of four neurons (`exclusive_or`), the
    largest ones of Fig. 2, has 4√4 = 8.

    Raises:
        UserError: if no bound is known for the architecture.
    """
    bounds = {
        "no-bias": 4 * math.sqrt(d),
        "bias": 4 * math.sqrt(d + 1),
        "layernorm": 2.0,
        "batchnorm": 4 * math.sqrt(3),
    }
    if architecture not in bounds:
        raise UserError(f"{architecture}: its flattest trace is not known; use {', '.join(bounds)}")
    return bounds[architecture]


def memorising(architecture: str, task: LearningTask) -> Weights:
    """Return a flattest interpolator with one neuron per training input, wrong (f = 0) elsewhere.

    Neuron i is active on xᵢ alone (Thm 4.1 and Prop. 4.1; Prop. 5.1 for simplified LayerNorm):
    with w = xᵢ/√d and any ε below 2/√d, W1ᵢ = √r w/ε, bᵢ = √r (ε − √d)/ε, W2ᵢ = y/√r, where
    r = √(d + 1); LayerNorm has W2ᵢ = y. Duplicate inputs share a neuron.

    Raises:
        UserError: if the architecture is not "bias" or "layernorm" (none is known for the others),
            or the task is not parity.
    """
    if architecture not in ("bias", "layernorm"):
        raise UserError(f"{architecture}: no memorising flattest solution is known; use bias")
    X, y = _signs(task)
    X, first = np.unique(X, axis=0, return_index=True)
    y, d = y[first], X.shape[1]
    r, epsilon = math.sqrt(d + 1), 1 / math.sqrt(d)
    W1 = math.sqrt(r) / epsilon * X / math.sqrt(d)
    b1 = np.full(len(y), math.sqrt(r) * (epsilon - math.sqrt(d)) / epsilon)
    return {"W1": W1, "b1": b1, "W2": y / math.sqrt(r) if architecture == "bias" else y.copy()}


def generalising(architecture: str, task: LearningTask) -> Weights:
    """Return a flattest interpolator that equals x[0] x[1] on the whole cube.

    It is `exclusive_or`, except with simplified BatchNorm, where one constant neuron replaces the
    two negative ones: f = 2·1[+, +] + 2·1[−, −] − 1, whose trace is close to 4√3.

    Raises:
        UserError: if the architecture has no construction, or the task is not parity.
    """
    if architecture != "batchnorm":
        return exclusive_or(architecture, task)
    X, _ = _signs(task)
    W1, b1 = _detectors(X.shape[1])
    W1[2], b1[2] = 0.0, 1.0
    return _batch_normalised(W1[:3], b1[:3], np.array([2.0, 2.0, -1.0]), X)


def exclusive_or(architecture: str, task: LearningTask) -> Weights:
    """Return the XOR network: four neurons, each active on one pair of the first two signs.

    W1 = c (±1, ±1, 0, ...), W2 = ±1/c. Eq. (5) has c = −b1 = (d² + 1)^¼, a slip for (d + 1)^¼.
    Without bias c = d^¼/2, and on pairs that differ in one sign h = 0 exactly, where relu' is 0.
    With BatchNorm the trace is near 8.

    Raises:
        UserError: if the architecture has no construction, or the task is not parity.
    """
    X, _ = _signs(task)
    d, y = X.shape[1], CORNERS.prod(axis=1)
    W1, b1 = _detectors(d)
    match architecture:
        case "no-bias":
            return {"W1": d**0.25 / 2 * W1, "W2": y / d**0.25}
        case "bias":
            c = (d + 1) ** 0.25
            return {"W1": c * W1, "b1": c * b1, "W2": y / c}
        case "layernorm":
            return {"W1": W1, "b1": b1, "W2": y}
        case "batchnorm":
            return _batch_normalised(W1, b1, y, X)
    raise UserError(f"{architecture}: there is no construction; use no-bias, bias or layernorm")


def _detectors(d: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return W1 (4, d) and b1 (4,): h = 1 on a neuron's own pair of signs, −1 or −3 elsewhere."""
    W1 = np.zeros((len(CORNERS), d))
    W1[:, :2] = CORNERS
    return W1, -np.ones(len(CORNERS))


def _batch_normalised(
    W1: npt.NDArray[np.float64],
    b1: npt.NDArray[np.float64],
    values: npt.NDArray[np.float64],
    X: npt.NDArray[np.float64],
) -> Weights:
    """Return the network whose neuron j adds ``values[j]`` where h = 1, at the best g = k^−¼."""
    g = np.array(len(values) ** -0.25)
    rms = np.sqrt(np.mean(np.maximum(X @ W1.T + b1, 0) ** 2, axis=0))
    return {"W1": _SCALE * W1, "b1": _SCALE * b1, "W2": values * rms / g, "g": g}


def _signs(task: LearningTask) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the training examples of a parity task; raise UserError if it is another task."""
    if task.name != "parity":
        raise UserError(f"task {task.name}: the constructions are for parity")
    return task.inputs, task.targets


COLUMNS = (
    *("architecture", "run", "role", "seed", "task", "loss", "schedule", "epochs"),
    *("status", "reason", "train_loss", "train_error", "test_error"),
    *("bound", "active_bound"),
    *MEASURES,
)
"""Columns of the CSV of solutions.

Errors are shares of wrong signs, or on the ball mean squared errors. ``bound`` is the least trace
of any interpolator, ``active_bound`` that with as many active neurons, where they matter.
"""

POINTS = (
    *("run", "seed", "epoch", "train_loss", "train_error", "test_error", "trace", "gauss_newton"),
)
"""Columns of the CSV of curves."""


@dataclass(frozen=True)
class Solution:
    """A trained or constructed network, with a row of ``COLUMNS``.

    ``curve`` holds rows of ``POINTS``; it is empty for a construction.
    """

    row: dict[str, Any]
    curve: list[dict[str, Any]]
    weights: Weights


def known_bounds(run: Run, weights: Weights, task: LearningTask) -> dict[str, float]:
    """Return ``bound`` and ``active_bound`` where they are known: for parity by squared error.

    The latter is 4√k with simplified BatchNorm, whose k active neurons each add to the trace.
    """
    known = ("no-bias", "bias", "layernorm", "batchnorm")
    if not run.pool or run.architecture not in known:
        return {}
    found = {"bound": least_trace(run.architecture, run.task.d)}
    if run.architecture == "batchnorm":
        found["active_bound"] = 4 * math.sqrt(active_neurons(weights, task.inputs))
    return found


CONSTRUCTIONS = {
    "no-bias": (generalising,),
    "bias": (memorising, generalising),
    "layernorm": (memorising, generalising),
    "batchnorm": (exclusive_or, generalising),
}
"""Explicit solutions of each architecture."""


def constructed(training: Training) -> Iterator[Solution]:
    """Yield the explicit solutions of a training's task, which is parity by squared error."""
    run, task, loss = training.run, training.task, training.loss
    for build in CONSTRUCTIONS.get(run.architecture, ()):
        weights = build(run.architecture, task)
        name = f"{run.architecture}-{build.__name__.replace('_', '-')}"
        row = {
            **{"architecture": run.architecture, "run": name, "role": "construction"},
            **{"seed": training.seed, "task": task.name, "loss": loss.kind, "status": "ok"},
            **training.errors(weights),
            **known_bounds(run, weights, task),
            **measure_solution(run.architecture, weights, task, loss),
        }
        yield Solution(row, [], weights)


def solutions(
    architecture: str, runs: Iterable[Run], seeds: Sequence[int], schedule: str, state: str | Path
) -> list[Solution]:
    """Train the runs of an architecture on some seeds, and add the explicit constructions.

    ``runs`` of other architectures are skipped. ``schedule`` is "default" or "published". The
    folder ``state`` keeps a file per training, from which it continues. The result holds runs in
    their order, seeds within them; then the constructions on each seed's parity task.
    """
    trainings = [
        Training(run, seed, schedule)
        for run in runs
        if run.architecture == architecture
        for seed in seeds
        if seed in run.seeds
    ]
    found = [_trained(training, Path(state)) for training in trainings]
    for seed in seeds:
        of_seed = (training for training in trainings if training.seed == seed)
        first = next((training for training in of_seed if training.run.pool), None)
        found += constructed(first) if first else ()
    return found


def write_solutions(
    found: Sequence[Solution], rows: str | Path, curves: str | Path, weights: str | Path
) -> None:
    """Write solutions to a CSV of ``COLUMNS``, curves to one of ``POINTS``, and the weights.

    The weights are tensors ``<run>/<seed>/<name>`` in a safetensors file.
    """
    write_csv(rows, (solution.row for solution in found), COLUMNS)
    write_csv(curves, (point for solution in found for point in solution.curve), POINTS)
    tensors = {
        f"{solution.row['run']}/{solution.row['seed']}/{name}": torch.from_numpy(value)
        for solution in found
        for name, value in solution.weights.items()
    }
    checkpoint.save(weights, tensors, {})


def _trained(training: Training, state: Path) -> Solution:
    run, seed = training.run, training.seed
    progress = training.finished(state)
    row = {
        **{"architecture": run.architecture, "run": run.id, "role": run.role, "seed": seed},
        **{"task": run.task.name, "loss": run.loss, "schedule": training.schedule},
        **known_bounds(run, progress.weights, training.task),
        **(progress.result or {}),
    }
    curve = [{"run": run.id, "seed": seed, **point} for point in progress.curve]
    return Solution(row, curve, progress.weights)
