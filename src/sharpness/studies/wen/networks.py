"""Tasks, losses, initial weights and reference networks (torch) of Wen, Ma and Li (2023).

m is the width, d the dimension of an input x, n the number of training examples. A hidden unit is
h = W1 x + b1, its activation a = relu(h), and the output of most is f(x) = W2 · a. All other
calculations of this folder are checked against these modules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

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


def _sigmoid(f: Floats) -> Floats:
    """Return 1/(1 + e^−f) in a form that cannot overflow."""
    return 0.5 * (1 + np.tanh(f / 2))


Weights = dict[str, npt.NDArray[np.floating]]
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
