"""Robust sign error: how often a measure errs on which of two settings has more error, at worst.

Dziugaite et al., 2020, "In search of robust measures of generalization". An environment is one step
of one hyper-parameter, between two of its values. A pair of models counts by the certainty that
their errors differ in the population. Environments are pooled over the other hyper-parameters.
"""

from __future__ import annotations

import numpy as np

from sharpness.statistics.granulated import Codes, FactorPairs
from sharpness.statistics.pairs import Floats

FEWEST_PAIRS = 6
"""Effective number of pairs of an environment: half of the paper's, as the worst is judged by
permutations."""


def noise_weights(gaps: Floats, examples: float) -> Floats:
    """Return (ω − ½)₊, ω = max(0, 1 − 2 exp(−n gap²/2))², for errors on n ``examples`` each.

    Without a number of examples (NaN) every gap is certain: ½, and 0 for none.
    """
    if np.isnan(examples):
        return np.where(gaps != 0, 0.5, 0.0)
    certain = np.maximum(0, 1 - 2 * np.exp(-examples * gaps**2 / 2)) ** 2
    return np.maximum(0, certain - 0.5)


def environments(pairs: FactorPairs, factors: Codes, weights: Floats) -> Floats:
    """Return the share of each pair in each environment that has enough, (environments, pairs)."""
    ends = [factors[models, pairs.factor] for models in (pairs.first, pairs.second)]
    labels = np.unique(np.column_stack([pairs.factor, *ends]), axis=0, return_inverse=True)[1]
    labels = labels.ravel()
    shares = np.where(labels == np.unique(labels)[:, None], weights, 0.0)
    total = shares.sum(axis=1)
    effective = total**2 / np.maximum((shares**2).sum(axis=1), np.finfo(float).tiny)
    kept = effective >= FEWEST_PAIRS
    return shares[kept] / total[kept, None]


def sign_errors(shares: Floats, products: Floats) -> Floats:
    """Return the sign error of each environment, E ½(1 − sign · sign); a tie costs ½.

    Args:
        shares: from `environments`, (environments, pairs).
        products: of the signs of measure and error, (pairs, ...).
    """
    return np.tensordot(shares, (1 - products) / 2, axes=1)
