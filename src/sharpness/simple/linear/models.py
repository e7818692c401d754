"""Linear classifiers that separate Gaussian classes: what Figure 1 measures.

n is the number of points, d their dimension, K the number of classes. The sizes and the training
are those of the authors' notebook: n = 50, d = 100, standard deviation 0.025 about means of length
1, and 100 steps of gradient descent on the mean loss with learning rate 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, softmax

Floats = npt.NDArray[np.float64]

N, D, DEVIATION = 50, 100, 0.025
TEST = 1000
"""Points that the notebook draws with the others and that the figure does not use."""
STEPS, LEARNING_RATE, INITIAL = 100, 5.0, 1 / 500


@dataclass(frozen=True)
class Classifier:
    """A trained linear model and the points it was trained on.

    Attributes:
        inputs: x, (n, d).
        targets: y, (n,): −1 or 1 with two classes and one vector of weights, else 0 to K − 1.
        weights: w, (d,) for y = sign ⟨w, x⟩ or (K, d) for y = argmax W x.
    """

    inputs: Floats
    targets: npt.NDArray[np.int64]
    weights: Floats

    @property
    def error(self) -> float:
        """The share of training points that are classified wrongly."""
        f = self.inputs @ self.weights.T
        found = np.sign(f) if f.ndim == 1 else f.argmax(axis=1)
        return float(np.mean(found != self.targets))


def two_gaussians(seed: int) -> Classifier:
    """The published model: classes at ±v, logistic loss.

    The numbers are drawn in the notebook's order from NumPy's older generator, so that seed 0 gives
    the very model of the published figure.
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
    """The same with K classes about random unit vectors and the cross-entropy.

    The weights are brought to ‖W‖₂ = 1, which changes no decision: their scale is what is studied.
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
    """Each vector at length 1, (..., d)."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
