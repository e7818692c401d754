"""The gradients of batches, by matrix products: two and three layers without normalization."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sharpness.simple.two_layer_relu.losses import Loss
from sharpness.simple.two_layer_relu.modules import Weights

Array = npt.NDArray[np.floating]


def gradient(architecture: str, loss: Loss, weights: Weights, x: Array, y: Array) -> Weights:
    """∇ of the mean loss of a batch, by the names of ``weights``.

    Args:
        architecture: "no-bias", "bias", "softplus" or "three-layer".
        loss: ℓ(f, y).
        weights: the network's weights.
        x: inputs, (examples, d).
        y: targets, (examples,).
    """
    h = x @ weights["W1"].T  # (examples, m)
    if "b1" in weights:
        h += weights["b1"]
    if architecture == "softplus":
        a, p = np.logaddexp(0, h), 0.5 * (1 + np.tanh(h / 2))
    else:
        a, p = np.maximum(h, 0), (h > 0).astype(h.dtype)
    g: Weights = {}
    if architecture == "three-layer":
        g, back = _upper_layers(weights, a, y, loss)
    else:
        s = _slopes(a @ weights["W2"], y, loss)
        g["W2"] = s @ a
        back = np.outer(s, weights["W2"])
    back *= p  # dL/dh, (examples, m)
    g["W1"] = back.T @ x
    if "b1" in weights:
        g["b1"] = back.sum(axis=0)
    return g


def _upper_layers(weights: Weights, a: Array, y: Array, loss: Loss) -> tuple[Weights, Array]:
    """The gradients of W2 and W3 of a three-layer network, and dL/da, (examples, m)."""
    h = a @ weights["W2"].T
    s = _slopes(np.maximum(h, 0) @ weights["W3"], y, loss)
    back = np.outer(s, weights["W3"]) * (h > 0)  # dL/dh of the second layer
    return {"W2": back.T @ a, "W3": s @ np.maximum(h, 0)}, back @ weights["W2"]


def _slopes(f: Array, y: Array, loss: Loss) -> Array:
    """dL/df of the batch's mean loss, in the precision of ``f``."""
    return (loss.slope(f, y) / len(y)).astype(f.dtype)
