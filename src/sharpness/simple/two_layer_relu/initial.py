"""Initial weights: torch's default, since the paper gives none but the factors of two figures."""

from __future__ import annotations

import numpy as np

from sharpness.simple.two_layer_relu.modules import NAMES, Weights

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
