"""Norms of the weight matrices W_i, i = 1 … ℓ (Jiang et al., 2020; numbers are theirs).

Their final form is √(v / m), or ½ (v − log m) where v is a logarithm, with m training examples.
That ranks models as v does, and v is returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import log, nan

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from sharpness.measures.blocks import NotApplicable
from sharpness.measures.controls import initial, margin_of
from sharpness.measures.definition import Estimate
from sharpness.measures.measurement import Measurement
from sharpness.measures.subject import Subject, one_value

NORMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "frobenius-norm": lambda F, S: F.sum(),  # 42
    "frobenius-product": lambda F, S: F.log().sum(),  # 37
    "frobenius-sum": lambda F, S: log(len(F)) + F.log().mean(),  # 39
    "spectral-norm": lambda F, S: S.sum(),
    "spectral-product": lambda F, S: S.log().sum(),  # 32
    "spectral-sum": lambda F, S: log(len(S)) + S.log().mean(),  # 35
    "stable-rank": lambda F, S: (F / S).sum(),  # 33
    "spectral-complexity": lambda F, S: S.log().sum() + (F / S).sum().log(),  # 30
}
"""v of ‖W_i‖_F² and ‖W_i‖₂², (ℓ,) each."""

DISTANCES = {"frobenius-distance": "frobenius-norm", "spectral-distance": "spectral-norm"}
"""The norms of W_i − W_i⁰ (#40 and 41)."""


def matrix_norm(subject: Subject, measurement: Measurement) -> Estimate:
    """Return one of ``NORMS``; with option "margin" minus 2 log γ, as in #36, 38, 31 and 34.

    Raises:
        NotApplicable: if there is no matrix, or with option "margin" if γ ≤ 0.
    """
    value = _norm(measurement.name, [W for _, W in affine_weights(subject.network.model)])
    if "margin" in measurement.options:
        gamma = margin_of(subject)
        if gamma <= 0:
            raise NotApplicable(f"the margin is {gamma:.3g}; its logarithm needs a positive one")
        value -= 2 * float(gamma.log())
    return one_value(value)


def matrix_distance(subject: Subject, measurement: Measurement) -> Estimate:
    """Return Σ ‖W_i − W_i⁰‖², Frobenius (#40) or spectral (#41).

    Raises:
        NotApplicable: as `controls.initial_distance`, or if there is no matrix.
    """
    moved = [W - initial(subject, name, W) for name, W in affine_weights(subject.network.model)]
    return one_value(_norm(DISTANCES[measurement.name], moved))


def _norm(name: str, weights: list[Tensor]) -> float:
    matrices = [W.flatten(1) for W in weights]
    F = torch.stack([W.square().sum() for W in matrices])
    if not F.isfinite().all():
        return nan  # singular values cannot be had
    S = torch.stack([torch.linalg.matrix_norm(W, 2).square() for W in matrices])
    return float(NORMS[name](F, S))


def affine_weights(model: nn.Module) -> list[tuple[str, Tensor]]:
    """Return name and weight of linear, convolutional and attention layers, in float64.

    The first axis is that of the outputs. Biases, norms and embeddings are left out.

    Raises:
        NotApplicable: if there is none.
    """
    found = [*_affine_weights(model)]
    if not found:
        raise NotApplicable("the model has no linear, convolutional or attention layer")
    return [(name, weight.detach().double().cpu()) for name, weight in found]


def _affine_weights(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for name, module in model.named_modules():
        prefix = f"{name}." if name else ""
        if isinstance(module, _ConvTransposeNd):
            raise NotApplicable(f"{name}: matrices of transposed convolutions are not defined here")
        if isinstance(module, nn.Linear | _ConvNd):
            yield f"{prefix}weight", module.weight
        elif isinstance(module, nn.MultiheadAttention) and module.in_proj_weight is not None:
            yield f"{prefix}in_proj_weight", module.in_proj_weight
