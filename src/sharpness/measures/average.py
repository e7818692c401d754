"""Average-case sharpness: Monte Carlo estimate of the expectation in Eq. 1."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from sharpness.io.errors import UserError
from sharpness.measures.definition import Estimate
from sharpness.measures.objective import LogitScale, Objective


def combine_batches(values: Sequence[Tensor], examples: Sequence[int]) -> Estimate:
    """Average the values of all batches, weighted by their numbers of examples.

    ``values`` holds one float64 tensor per batch: its draws, or its one maximum. The standard error
    is over batches, sd / √B for batches of one size, which contains the noise of the draws; with a
    single batch it is over the draws.

    Raises:
        UserError: if the mean is not finite.
    """
    share = torch.tensor(examples, dtype=torch.float64)
    share = share / share.sum()
    per_batch = torch.stack([v.mean() for v in values])
    within = [_over_draws(v) for v in values]
    value = (share * per_batch).sum()
    if not value.isfinite():
        raise UserError("the loss of a perturbed model is not finite; is the radius too large?")
    if len(values) > 1:
        spread = (share.square() * (per_batch - value).square()).sum()
        stderr = (spread * len(values) / (len(values) - 1)).sqrt().item()
    else:
        stderr = within[0]
    return Estimate(value.item(), stderr, tuple(per_batch.tolist()), tuple(within), tuple(examples))


def _over_draws(values: Tensor) -> float:
    """Return the standard error sd / √n; NaN for a single value."""
    return (values.std() / len(values) ** 0.5).item() if len(values) > 1 else math.nan


def sample_loss_changes(
    objective: Objective,
    width: Tensor,
    noise: Callable[[int], Tensor],
    samples: int,
    scales: Sequence[LogitScale],
    antithetic: bool = False,
) -> Tensor:
    """Compute L(w + δ) − L(w) for random draws of δ (Eq. 1), in float64, (scales, samples).

    ``width`` is ρ c, (p,); ``noise`` returns the unit noise (p,) of a draw, given its number. One
    forward pass per draw serves all logit scales. If ``antithetic``, δ and −δ are taken together,
    which cancels the first-order term; such a pair is one draw and costs two forward passes.
    """
    weights = objective.network.weights
    unperturbed = torch.tensor([objective.unperturbed(s) for s in scales], dtype=torch.float64)
    signs = (1.0, -1.0) if antithetic else (1.0,)

    def losses(delta: Tensor) -> Tensor:
        found = [objective.losses(weights.add(delta, alpha=sign), scales) for sign in signs]
        return torch.tensor(found, dtype=torch.float64).mean(dim=0)

    values = [losses(width * noise(draw)) - unperturbed for draw in range(samples)]
    return torch.stack(values, dim=1)
