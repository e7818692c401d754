"""Tasks, losses, initial weights and gradient descent of Wen, Ma and Li (2023).

m is the width, d the dimension of an input x, n the number of training examples. A hidden unit is
h = W1 x + b1, its activation a = relu(h), and the output of most is f(x) = W2 · a.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sharpness.studies.wen.runs import Phase

Array = npt.NDArray[np.floating]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LearningTask:
    """Training inputs (n, d) and targets (n,), and test ones (t, d) and (t,), of one distribution.

    ``name`` is "parity" or "ball".
    """

    name: str
    inputs: Floats
    targets: Floats
    test_inputs: Floats
    test_targets: Floats


def parity(seed: int, d: int = 30, n: int = 100, test: int = 4000) -> LearningTask:
    """Draw P_xor: x uniform on {−1, 1}^d with d ≥ 2, and y = x[0] x[1].

    The paper does not give the number of test examples.
    """

    def draw(rng: np.random.Generator, examples: int) -> Floats:
        return rng.choice([-1.0, 1.0], size=(examples, d))

    return _task("parity", draw, lambda x: x[:, 0] * x[:, 1], seed, n, test)


def ball(seed: int, d: int = 10, n: int = 100, test: int = 4000) -> LearningTask:
    """Draw x uniform in the ball of radius √d with d ≥ 2, and y = |x[0]| − |x[1]| (Fig. 7)."""

    def draw(rng: np.random.Generator, examples: int) -> Floats:
        x = rng.standard_normal((examples, d))
        radii = np.sqrt(d) * rng.random((examples, 1)) ** (1 / d)
        return radii * x / np.linalg.norm(x, axis=1, keepdims=True)

    return _task("ball", draw, lambda x: np.abs(x[:, 0]) - np.abs(x[:, 1]), seed, n, test)


TASKS = {"parity": parity, "ball": ball}
"""The tasks by name."""


def _task(
    name: str,
    draw: Callable[[np.random.Generator, int], Floats],
    answer: Callable[[Floats], Floats],
    seed: int,
    n: int,
    test: int,
) -> LearningTask:
    """Draw training examples from one random stream and test examples from another."""
    x, fresh = (
        draw(np.random.default_rng([seed, part]), examples)
        for part, examples in enumerate((n, test))
    )
    return LearningTask(name, x, answer(x), fresh, answer(fresh))


@dataclass(frozen=True)
class Loss:
    """ℓ(f, y) of an output f and a target y, and its derivatives by f.

    Squared error ("mse") is (f − y)², without the usual half (Sec. 2). The "logistic" loss of a
    sign y with label smoothing p in [0, 1/2) is the cross-entropy of σ(f) with the probability
    1 − p of y = 1 and p of y = −1 (App. A); it is least at f = y ln((1 − p)/p).
    """

    kind: str
    smoothing: float = 0.0

    def goal(self, y: npt.ArrayLike) -> Floats:
        """Return the target of f (mse: y) or σ(f) (logistic: the probability of +1), linear in y.

        Then dℓ/df is 2 (f − goal), or σ(f) − goal, so a training step needs nothing else of y.
        """
        y = np.asarray(y, dtype=np.float64)
        return y if self.kind == "mse" else 0.5 + (0.5 - self.smoothing) * y

    def value(self, f: npt.ArrayLike, y: npt.ArrayLike) -> float:
        """Return the mean loss of outputs f with targets y, both (examples,)."""
        f, goal = np.asarray(f, dtype=np.float64), self.goal(y)
        losses = (f - goal) ** 2 if self.kind == "mse" else np.logaddexp(0, f) - goal * f
        return float(losses.mean())

    def slope(self, f: npt.ArrayLike, y: npt.ArrayLike) -> Floats:
        """Return dℓ/df of each example, (examples,)."""
        f, goal = np.asarray(f, dtype=np.float64), self.goal(y)
        return 2 * (f - goal) if self.kind == "mse" else _sigmoid(f) - goal

    def mean_slope(self, f: Array, y: npt.ArrayLike) -> Array:
        """Return the derivative of the mean loss by each output, in the precision of f."""
        return (self.slope(f, y) / len(f)).astype(f.dtype)

    def curvature(self, f: npt.ArrayLike, y: npt.ArrayLike) -> Floats:
        """Return d²ℓ/df² of each example, (examples,); it does not depend on y."""
        f = np.asarray(f, dtype=np.float64)
        return np.full_like(f, 2.0) if self.kind == "mse" else _sigmoid(f) * _sigmoid(-f)


def test_error(task: LearningTask, outputs: npt.ArrayLike) -> float:
    """Return the share of wrong signs on parity, or the mean squared error on the ball.

    ``outputs`` are f of the test inputs, (t,). An output that is 0 or NaN has the wrong sign.
    """
    f = np.asarray(outputs, dtype=np.float64)
    if task.name == "parity":
        return float(np.mean(~(f * task.test_targets > 0)))
    return float(np.mean((f - task.test_targets) ** 2))


def _sigmoid(f: Array) -> Array:
    """Return 1/(1 + e^−f) in a form that cannot overflow."""
    return 0.5 * (1 + np.tanh(f / 2))


Weights = dict[str, Array]
"""The parameters of one network by the paper's names: W1 (m, d), b1 (m,), W2 (m,), and so on."""

NAMES = {
    "no-bias": ("W1", "W2"),
    "bias": ("W1", "b1", "W2"),
    "softplus": ("W1", "b1", "W2"),
    "layernorm": ("W1", "b1", "W2"),
    "batchnorm": ("W1", "b1", "W2", "g"),
    "three-layer": ("W1", "b1", "W2", "W3"),
}
"""The parameters of each architecture, in order. W2 is (m, m) and W3 (m,) with three layers."""

EPSILON = 1e-3
"""Simplified LayerNorm divides by max(‖relu(h)‖, ε); the paper does not give its ε."""


TAG = 1000
"""Separates the random draws of the weights from those of the data with the same seed."""


def initial_weights(
    architecture: str,
    d: int,
    width: int,
    seed: int,
    *,
    first_layer_scale: float = 1.0,
    gain: float = 1.0,
) -> Weights:
    """Draw each entry uniformly in ±1/√fan-in, as torch's linear layers do, in float32.

    With the same seed, architectures draw the same values for the layers that they share.
    ``first_layer_scale`` multiplies W1 and b1; Figs. 6a and 10b use 1/100. ``gain`` is g of
    simplified BatchNorm; with g = 1 the first steps at learning rate 0.005 diverge.
    """
    shapes = {"W1": (width, d), "b1": (width,), "W2": (width,), "W3": (width,)}
    if architecture == "three-layer":
        shapes["W2"] = (width, width)
    weights: Weights = {}
    for name in NAMES[architecture]:
        if name == "g":
            weights[name] = np.array(gain, dtype=np.float32)
            continue
        first = name in ("W1", "b1")
        bound = (d if first else width) ** -0.5
        rng = np.random.default_rng([TAG + seed, ("W1", "b1", "W2", "W3").index(name)])
        draws = rng.uniform(-bound, bound, size=shapes[name])
        weights[name] = (draws * (first_layer_scale if first else 1.0)).astype(np.float32)
    return weights


def doubles(weights: Weights) -> Weights:
    """Return the weights in float64."""
    return {name: np.asarray(w, dtype=np.float64) for name, w in weights.items()}


def hidden(weights: Weights, x: Array) -> Array:
    """Return h = W1 x + b1 of the first layer, (examples, m)."""
    h: Array = x @ weights["W1"].T
    if "b1" in weights:
        h += weights["b1"]
    return h


def activation(architecture: str, h: Array) -> Array:
    """Return φ(h): softplus, or ReLU."""
    return np.logaddexp(0, h) if architecture == "softplus" else np.maximum(h, 0)


def slope(architecture: str, h: Array) -> Array:
    """Return φ'(h)."""
    return _sigmoid(h) if architecture == "softplus" else (h > 0).astype(h.dtype)


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
