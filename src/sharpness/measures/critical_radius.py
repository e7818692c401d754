"""Critical radius: the noise that raises loss or error by a given amount (PAC-Bayes σ).

Jiang et al. (2020): σ is the largest with E L(w + u) ≤ L(w) + Δ, u ∼ N(0, σ² I) (#53 is 1/σ²); σ′
likewise with u_i ∼ N(0, σ′² w_i² + ε²) (#61). Theirs is the 0-1 error, Δ = 0.1 and ε = 10⁻³, ours
the loss too, whose value is no multiple of 1/m. Ours is the search: by bisection of log σ with the
same noise at every σ, so that the mean is a continuous function of σ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import exp, log

import torch
from torch import Tensor

from sharpness.io.errors import UserError
from sharpness.measures.average import combine_batches, sample_loss_changes
from sharpness.measures.ball import unit_noise
from sharpness.measures.classes import margins
from sharpness.measures.definition import Estimate
from sharpness.measures.measurement import Measurement
from sharpness.measures.objective import Objective
from sharpness.measures.subject import Subject

RISE = 0.1  # Δ
EPSILON = 1e-3  # ε
DRAWS = 10
START = 1e-2
BRACKET = 0.01
"""Largest width of the bracket in log σ."""
LARGEST = 60
"""Doublings of the start, or halvings, after which there is no such σ."""


def critical_radius(subject: Subject, measurement: Measurement) -> Estimate:
    """Return σ, or σ′ with option "magnitude", whose standard error is the bracket's half-width.

    Option "error" takes the 0-1 error for the loss. Option "variance" repeats a slip of the code of
    Dziugaite et al. (2020), where the variance is passed as the deviation: of plain σ it reports
    √σ, and the noise of σ′ is another.

    Raises:
        UserError: if no σ raises the loss by Δ.
    """
    objectives, options = subject.objectives(), measurement.options
    if "error" in options:
        objectives = [
            Objective(o.network, o.whole, zero_one, len(o.pieces[0][1])) for o in objectives
        ]
    rise = partial(_rise, objectives, options, subject.seed)
    low, high = bracket(rise)
    middle = exp((low + high) / 2)
    return Estimate(middle, middle * (high - low) / 2, (), (), ())


def zero_one(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the error rate; an example without a largest logit of its own is wrong."""
    return (~(margins(logits, targets) > 0)).double().mean()


def _rise(
    objectives: Sequence[Objective], options: Sequence[str], seed: int, sigma: float
) -> float:
    """Return E L(w + u) − L(w) over draws and batches; infinite where a loss is not finite."""
    weights = objectives[0].network.weights
    variance = torch.full_like(weights, sigma**2)
    if "magnitude" in options:
        variance = sigma**2 * weights.square() + EPSILON**2
    width = variance if "variance" in options else variance.sqrt()
    found = []
    for batch, objective in enumerate(objectives):
        noise = partial(unit_noise, "l2", weights, seed, batch)
        found.append(sample_loss_changes(objective, width, noise, DRAWS, [None])[0])
    if not all(changes.isfinite().all() for changes in found):
        return float("inf")
    return combine_batches(found, [objective.examples for objective in objectives]).value


def bracket(rise: Callable[[float], float]) -> tuple[float, float]:
    """Return log σ of an interval in which ``rise`` passes Δ, no wider than ``BRACKET``."""
    low = high = log(START)
    up = rise(START) <= RISE
    for _ in range(LARGEST):
        low, high = (high, high + log(2)) if up else (low - log(2), low)
        if (rise(exp(high if up else low)) <= RISE) is not up:
            break
    else:
        raise UserError(f"no noise raises the loss by {RISE}, or any does")
    while high - low > BRACKET:
        middle = (low + high) / 2
        low, high = (middle, high) if rise(exp(middle)) <= RISE else (low, middle)
    return low, high
