"""Explicit flattest interpolators of P_xor: some memorise, others generalise (Wen et al., 2023).

At interpolation Tr ∇²L = (2/n) Σᵢ ‖∇f(xᵢ)‖² for squared error (Lemma 4.1), and each architecture
bounds the norms from below. With one active neuron, h = w·x + b > 0, the bounds are met:

    no bias    ‖∇f‖² = W2² ‖x‖² + h² ≥ 2 ‖x‖ |y|, equal iff |W2| ‖x‖ = h;
    bias       the same with x' = (x, 1);
    LayerNorm  f = W2 whatever w and b, and ∂f/∂W2 = 1;
    BatchNorm  each neuron that is active on some example adds g² to the mean, and g adds 1/g².
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sharpness.io.errors import UserError
from sharpness.studies.wen.networks import LearningTask, Weights

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
