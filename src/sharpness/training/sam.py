"""Sharpness-aware minimization (Foret et al., 2021): the gradient at the worst nearby weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

_TINY = 1e-12


@contextmanager
def ascended(parameters: list[Tensor], gradients: tuple[Tensor, ...], rho: float) -> Iterator[None]:
    """Weights at w + ρ g/‖g‖₂ for the length of a block (Foret et al., Eq. 2, p = 2).

    The norm is that of all gradients together. Afterwards the weights are bit for bit what they
    were.
    """
    before = [parameter.detach().clone() for parameter in parameters]
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    # The scale stays on the device: nothing waits for its value.
    ascent = torch._foreach_mul(gradients, rho / (norm + _TINY))
    with torch.no_grad():
        torch._foreach_add_(parameters, ascent)
    try:
        yield
    finally:
        with torch.no_grad():
            torch._foreach_copy_(parameters, before)


@contextmanager
def frozen_statistics(network: nn.Module) -> Iterator[None]:
    """BatchNorm normalizes by the batch, and its running statistics stay as they are.

    The statistics belong to the weights, not to the perturbed ones of the second pass.
    """
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
