"""The networks of Wen, Ma and Li (2023) as torch modules: what everything else is checked against.

m is the width, d the dimension of an input x, n the number of training examples. A hidden unit is
h = W1 x + b1, its activation a = relu(h), and the output of most is f(x) = W2 · a.
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
