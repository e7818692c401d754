"""Sharpness of linear models over the scale of their weights, for Figure 1.

The *margin radius* is the largest ρ at which no perturbation in the ball changes a decision. Below
it, every loss in the ball vanishes as the weights grow, and so does sharpness: a scale that changes
no decision takes sharpness anywhere between its peak and zero. Beyond it, sharpness grows with the
scale. With logit normalization (Eq. 5) the scale does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit, softmax
from torch import nn

from sharpness.measures.cell_values import Effort
from sharpness.measures.definition import ALL, Cell, Definition, Estimate
from sharpness.measures.sharpness import sharpness_table

Floats = npt.NDArray[np.float64]

N, D, DEVIATION = 50, 100, 0.025
TEST = 1000
"""Points that the notebook draws with the training points; the figure does not use them."""
STEPS, LEARNING_RATE, INITIAL = 100, 5.0, 1 / 500


@dataclass(frozen=True)
class Classifier:
    """A trained linear model and its training points.

    Attributes:
        inputs: x, (n, d).
        targets: y, (n,): −1 or 1 with two classes and one weight vector, else 0 to K − 1.
        weights: w, (d,) for y = sign ⟨w, x⟩ or (K, d) for y = argmax W x.
    """

    inputs: Floats
    targets: npt.NDArray[np.int64]
    weights: Floats

    @property
    def error(self) -> float:
        """Return the fraction of misclassified training points."""
        f = self.inputs @ self.weights.T
        found = np.sign(f) if f.ndim == 1 else f.argmax(axis=1)
        return float(np.mean(found != self.targets))


def two_gaussians(seed: int) -> Classifier:
    """Train the published model: two classes at ±v, logistic loss.

    Draws follow the notebook's order with NumPy's legacy generator, so that seed 0 gives exactly
    the model of the published figure.
    """
    rng = np.random.RandomState(seed)
    v = _unit(rng.randn(D))
    y = np.repeat([-1, 1], (N + TEST) // 2)
    x = -y[:, None] * v + DEVIATION * rng.randn(N + TEST, D)
    train = rng.permutation(N + TEST)[:N]
    x, y = x[train], y[train]
    w = INITIAL * rng.randn(D)
    for _ in range(STEPS):
        w = w + LEARNING_RATE * (y * expit(-y * (x @ w))) @ x / N
    return Classifier(x, y, w)


def gaussians(seed: int, classes: int) -> Classifier:
    """Train a model with cross-entropy on K classes around random unit vectors.

    Only the scale of the weights is studied, so they are rescaled to ‖W‖₂ = 1, which changes no
    decision.
    """
    rng = np.random.default_rng([seed, classes])
    means = _unit(rng.standard_normal((classes, D)))
    y = np.arange(N) % classes
    x = means[y] + DEVIATION * rng.standard_normal((N, D))
    W = INITIAL * rng.standard_normal((classes, D))
    for _ in range(STEPS):
        W = W - LEARNING_RATE * (softmax(x @ W.T, axis=1) - np.eye(classes)[y]).T @ x / N
    return Classifier(x, y, W / np.linalg.norm(W))


def _unit(vectors: Floats) -> Floats:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


COLUMNS = (
    *("part", "classes", "definition", "radius", "margin_radius", "train_error", "scale"),
    "sharpness",
)
"""``part`` is "published" or "ours"; ``definition`` an id of `Definition`, or ``PUBLISHED``."""

PUBLISHED = "worst-l2-of-norm"
"""The notebook's definition: the ball ‖δ‖₂ ≤ ρ ‖w‖₂ rather than ‖δ / w‖₂ ≤ ρ."""

RADII = (0.1, 0.25, 0.5)
SCALES = np.logspace(-10, 10, 30, base=2)
"""The notebook's factors of the weights."""

CLASSES = 5
DEFINITIONS = tuple(definition for definition in ALL if definition.adaptive)
EFFORT = Effort(steps=20, samples=50, antithetic=True)
"""50 pairs ±δ cancel first-order terms, which would hide second-order ones at small scales."""


def curves(seed: int) -> list[dict[str, Any]]:
    """Return rows of ``COLUMNS`` for the published and for all adaptive definitions."""
    return published_curves(seed) + adaptive_curves(seed)


def published_curves(seed: int) -> list[dict[str, Any]]:
    """Return the rows of the published Figure 1: m = 1, two classes, exact maxima.

    Seed 0 gives the published data and initial weights.
    """
    model = two_gaussians(seed)
    f = model.targets * (model.inputs @ model.weights)
    reach = np.linalg.norm(model.weights) * np.linalg.norm(model.inputs, axis=1)
    common = {"part": "published", "classes": 2, "definition": PUBLISHED}
    common |= {"margin_radius": float((f / reach).min()), "train_error": model.error}
    return [
        common | {"radius": radius, "scale": float(scale), "sharpness": value}
        for radius in RADII
        for scale in SCALES
        for value in [exact_sharpness(model, radius, scale)]
    ]


def exact_sharpness(model: Classifier, radius: float, scale: float) -> float:
    """Return the mean over examples of max L(w + δ) − L(w), ‖δ‖₂ ≤ ρ ‖w‖₂, at ``scale`` · w.

    L is the logistic loss log(1 + exp(−y ⟨w, x⟩)) of one example (m = 1). It decreases with
    y ⟨w, x⟩, which is least at δ = −ρ ‖w‖₂ y x / ‖x‖₂: lower by ρ ‖w‖₂ ‖x‖₂.
    """
    w = scale * model.weights
    f = model.targets * (model.inputs @ w)
    lowest = f - radius * np.linalg.norm(w) * np.linalg.norm(model.inputs, axis=1)
    return float(np.mean(np.logaddexp(0, -lowest) - np.logaddexp(0, -f)))


def adaptive_curves(seed: int, classes: int = CLASSES) -> list[dict[str, Any]]:
    """Return the rows of every adaptive definition, with all n points in one batch.

    With K = 2 classes, logit normalization leaves only the sign of the logits' difference.
    """
    model = gaussians(seed, classes)
    cells = {d: Cell(d, share_of_margin(d) * margin_radius(model, d)) for d in DEFINITIONS}
    found = [measure_at(model, cells, scale, seed) for scale in SCALES]
    return [
        {
            "part": "ours",
            "classes": classes,
            "definition": definition.id,
            "radius": cell.radius,
            "margin_radius": margin_radius(model, definition),
            "train_error": model.error,
            "scale": float(scale),
            "sharpness": estimates[cell].value,
        }
        for definition, cell in cells.items()
        for scale, estimates in zip(SCALES, found, strict=True)
    ]


def share_of_margin(definition: Definition) -> float:
    """Return the radius to measure a definition at, as a fraction of its margin radius.

    One half; one eighth for Gaussian perturbations, which are unbounded: the margin is then at
    least eight of their standard deviations.
    """
    return 1 / 8 if (definition.case, definition.norm) == ("average", "l2") else 1 / 2


def margin_radius(model: Classifier, definition: Definition) -> float:
    """Return the largest ρ at which no δ, ‖δ / W‖ ≤ ρ, changes a decision on the training points.

    (W x)_y − (W x)_k is linear in W with slope x in row y and −x in row k, so the ball lowers it by
    ρ ‖(x ⊙ W_y, x ⊙ W_k)‖ in the dual norm.
    """
    q = {"l2": 2, "linf": 1}[definition.norm]
    x, W, points = model.inputs, model.weights, np.arange(len(model.inputs))
    f, powers = x @ W.T, np.abs(x) ** q @ np.abs(W.T) ** q  # (n, K)
    margins = f[points, model.targets, None] - f
    reach: Floats = (powers[points, model.targets, None] + powers) ** (1 / q)
    others = np.arange(len(W)) != model.targets[:, None]
    return float((margins / reach)[others].min())


def measure_at(
    model: Classifier, cells: Mapping[Definition, Cell], scale: float, seed: int
) -> dict[Cell, Estimate]:
    """Estimate sharpness at the weights ``scale`` · W in float64 with `sharpness_table`."""
    classes, d = model.weights.shape
    linear = nn.Linear(d, classes, bias=False, dtype=torch.float64)
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(scale * model.weights))
    batch = (torch.from_numpy(model.inputs), torch.from_numpy(model.targets))
    return sharpness_table(linear, [batch], list(cells.values()), seed=seed, effort=EFFORT)
