"""Partial τ: the rank correlation of two quantities given a third. Descriptive only.

It is not zero where the two depend on the third alone, so it has no p-value: Gaussian quantities
that correlate at .8 with the third, and in nothing else, have a partial τ of .14.
"""

from __future__ import annotations

import numpy as np

from sharpness.statistics.pairs import Floats, both, ranks, signs


def partial_tau(x: Floats, y: Floats, z: Floats) -> Floats:
    """Return τ-b of each column of ``x`` with ``y`` given ``z``.

    (τxy − τxz τyz) / √((1 − τxz²)(1 − τyz²)) (Kendall, 1942), over the models with all values.

    Args:
        x: the cells, (models, cells).
        y: the target, (models,).
        z: what is given, (models,).

    Returns:
        One value per cell; NaN where one of the three is constant or a function of another.
    """
    rows = np.isfinite(y) & np.isfinite(z)
    left, known = signs(ranks(x[rows])), both(np.isfinite(x[rows]))
    right, given = signs(ranks(np.stack([y[rows], z[rows]], axis=1))).T
    untied = np.abs(left).sum(axis=0), known.T @ np.abs(right), known.T @ np.abs(given)
    a, b, c = (count.astype(np.float64) for count in untied)
    with np.errstate(invalid="ignore", divide="ignore"):
        xy, xz = left.T @ right / np.sqrt(a * b), left.T @ given / np.sqrt(a * c)
        yz = known.T @ (right * given) / np.sqrt(b * c)
        rest = (1 - xz**2) * (1 - yz**2)
        return np.where(rest > 1e-9, (xy - xz * yz) / np.sqrt(rest), np.nan)
