"""The networks of Wen, Ma and Li (2023) as torch modules, and their initial weights.

m is the width, d the dimension of an input x, n the number of training examples. A hidden unit is
h = W1 x + b1, its activation a = relu(h), and the output of most is f(x) = W2 · a. All other
calculations of this folder are checked against these modules.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

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


def initial(
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


def doubles(weights: Weights) -> Weights:
    """The same weights in float64."""
    return {name: np.asarray(w, dtype=np.float64) for name, w in weights.items()}
