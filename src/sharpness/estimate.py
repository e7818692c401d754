"""From values within batches to one estimate with its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sharpness.definition import Estimate
from sharpness.problem import Problem


def combined(values: Sequence[Tensor], examples: Sequence[int]) -> Estimate:
    """The mean over batches, weighted by examples.

    Args:
        values: float64 values within each batch: its draws, or its one maximum.
        examples: the size of each batch.

    Returns:
        The estimate. Its standard error is that over batches, sd / √B for batches of one size,
        which contains the noise of the draws; with a single batch it is that over the draws.

    Raises:
        Problem: if the mean is not finite.
    """
    share = torch.tensor(examples, dtype=torch.float64)
    share = share / share.sum()
    per_batch = torch.stack([v.mean() for v in values])
    within = [_over_draws(v) for v in values]
    value = (share * per_batch).sum()
    if not value.isfinite():
        raise Problem("the loss of a perturbed model is not finite; is the radius too large?")
    if len(values) > 1:
        spread = (share.square() * (per_batch - value).square()).sum()
        stderr = (spread * len(values) / (len(values) - 1)).sqrt().item()
    else:
        stderr = within[0]
    return Estimate(value.item(), stderr, tuple(per_batch.tolist()), tuple(within), tuple(examples))


def _over_draws(values: Tensor) -> float:
    """Sd / √n; NaN for a single value."""
    return (values.std() / len(values) ** 0.5).item() if len(values) > 1 else math.nan
