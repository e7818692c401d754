"""The networks of Wen, Ma and Li (2023) as torch modules, and their initial weights.

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
    """Examples to learn from and fresh ones of the same distribution.

    Attributes:
        name: "parity" or "ball".
        inputs: training inputs x, (n, d).
        targets: training targets y, (n,).
        test_inputs: fresh inputs, (t, d).
        test_targets: their targets, (t,).
    """

    name: str
    inputs: Floats
    targets: Floats
    test_inputs: Floats
    test_targets: Floats


def parity(seed: int, d: int = 30, n: int = 100, test: int = 4000) -> LearningTask:
    """P_xor: x uniform on {−1, 1}^d and y = x[0] x[1].

    Args:
        seed: of the examples.
        d: dimension, at least 2.
        n: training examples.
        test: test examples; the paper does not give their number.
    """

    def draw(rng: np.random.Generator, examples: int) -> Floats:
        return rng.choice([-1.0, 1.0], size=(examples, d))

    return _task("parity", draw, lambda x: x[:, 0] * x[:, 1], seed, n, test)


def ball(seed: int, d: int = 10, n: int = 100, test: int = 4000) -> LearningTask:
    """Inputs x uniform in the ball of radius √d, and y = |x[0]| − |x[1]| (Fig. 7).

    Args:
        seed: of the examples.
        d: dimension, at least 2.
        n: training examples.
        test: test examples.
    """

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
    """Training examples from one stream and test examples from another."""
    x, fresh = (
        draw(np.random.default_rng([seed, part]), examples)
        for part, examples in enumerate((n, test))
    )
    return LearningTask(name, x, answer(x), fresh, answer(fresh))


@dataclass(frozen=True)
class Loss:
    """ℓ(f, y) of an output f and a target y, and its derivatives by f.

    Squared error is (f − y)², without the usual half (Sec. 2). The logistic loss of a sign y with
    label smoothing p is the cross-entropy of σ(f) with the probability 1 − p of y = 1 and p of
    y = −1 (App. A); it is least at f = y ln((1 − p)/p).

    Attributes:
        kind: "mse" or "logistic".
        smoothing: p in [0, 1/2) of the logistic loss.
    """

    kind: str
    smoothing: float = 0.0

    def goal(self, y: npt.ArrayLike) -> Floats:
        """What the output is compared with: y itself, or the probability of +1; linear in y.

        Then dℓ/df is 2 (f − goal), or σ(f) − goal: all that a training step needs.
        """
        y = np.asarray(y, dtype=np.float64)
        return y if self.kind == "mse" else 0.5 + (0.5 - self.smoothing) * y

    def value(self, f: npt.ArrayLike, y: npt.ArrayLike) -> float:
        """The mean loss of outputs f with targets y, both (examples,)."""
        f, goal = np.asarray(f, dtype=np.float64), self.goal(y)
        losses = (f - goal) ** 2 if self.kind == "mse" else np.logaddexp(0, f) - goal * f
        return float(losses.mean())

    def slope(self, f: npt.ArrayLike, y: npt.ArrayLike) -> Floats:
        """dℓ/df of each example, (examples,)."""
        f, goal = np.asarray(f, dtype=np.float64), self.goal(y)
        return 2 * (f - goal) if self.kind == "mse" else _sigmoid(f) - goal

    def curvature(self, f: npt.ArrayLike, y: npt.ArrayLike) -> Floats:
        """d²ℓ/df² of each example, (examples,); it does not depend on y."""
        f = np.asarray(f, dtype=np.float64)
        return np.full_like(f, 2.0) if self.kind == "mse" else _sigmoid(f) * _sigmoid(-f)


def test_error(task: LearningTask, outputs: npt.ArrayLike) -> float:
    """The share of wrong signs on the parity task, the mean squared error on the ball.

    An output that is 0 or NaN has the wrong sign.

    Args:
        task: the task.
        outputs: f of its test inputs, (t,).
    """
    f = np.asarray(outputs, dtype=np.float64)
    if task.name == "parity":
        return float(np.mean(~(f * task.test_targets > 0)))
    return float(np.mean((f - task.test_targets) ** 2))


def _sigmoid(f: Floats) -> Floats:
    """1/(1 + e^−f), which cannot overflow in this form."""
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


class TwoLayer(nn.Module):
    """One of the networks, with outputs of shape (examples,)."""

    W1: Tensor
    b1: Tensor
    W2: Tensor
    W3: Tensor
    g: Tensor
    train_inputs: Tensor

    def __init__(
        self, architecture: str, weights: Mapping[str, npt.ArrayLike], train: npt.ArrayLike
    ) -> None:
        """Hold a copy of the weights.

        Args:
            architecture: a key of ``NAMES``.
            weights: its parameters.
            train: all training inputs, (n, d): the statistics of simplified BatchNorm are theirs.
        """
        super().__init__()
        self.architecture = architecture
        for name in NAMES[architecture]:
            self.register_parameter(name, nn.Parameter(torch.tensor(np.asarray(weights[name]))))
        self.register_buffer("train_inputs", torch.tensor(np.asarray(train)))

    def forward(self, x: Tensor) -> Tensor:
        """The outputs for inputs (examples, d), (examples,)."""
        if self.architecture == "three-layer":
            return relu(relu(self.hidden(x)) @ self.W2.T) @ self.W3
        return self.activations(x) @ self.W2

    def hidden(self, x: Tensor) -> Tensor:
        """Before the activation, h = W1 x + b1, (examples, m)."""
        h = x @ self.W1.T
        return h if self.architecture == "no-bias" else h + self.b1

    def activations(self, x: Tensor) -> Tensor:
        """What W2 weighs, (examples, m): a, softplus(h), a over its norm, or g a over its RMS."""
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
"""Tells the draws of the weights from those of the data, which the same seed may determine."""


def initial_weights(
    architecture: str,
    d: int,
    width: int,
    seed: int,
    *,
    first_layer_scale: float = 1.0,
    gain: float = 1.0,
) -> Weights:
    """Every entry uniform in ±1/√fan-in, as torch's linear layers draw theirs, in float32.

    Args:
        architecture: a key of ``NAMES``.
        d: dimension of the inputs.
        width: m, hidden units in a layer.
        seed: of the draws; the layers that two architectures share are then the same.
        first_layer_scale: what W1 and b1 are multiplied by; Figs. 6a and 10b use 1/100.
        gain: g of simplified BatchNorm. With g = 1 the first steps at learning rate 0.005 diverge.

    Returns:
        The weights by the names and in the order of ``NAMES``.
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
