"""Kendall's rank correlation τ (Eq. 4) with a bootstrap interval.

Eq. 4 of Andriushchenko et al. (2023) is τ-a: concordant minus discordant pairs over all pairs. The
interval is a percentile bootstrap over models. A resample holds copies of a model, and a pair of a
model with its own copy has no rank order, so such pairs are left out: with cᵢ copies of model i and
sᵢⱼ the product of the two signs,

    τ* = Σ_{i<j} cᵢ cⱼ sᵢⱼ / Σ_{i<j} cᵢ cⱼ.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

RESAMPLES = 2000
LEVEL = 0.95
FEWEST = 3
"""Fewest models for a coefficient; two are always perfectly ranked."""
FEW = 8
"""With fewer models the bootstrap interval is too narrow."""

_BLOCK = 100  # resamples at a time: 200 models have 19,900 pairs, 8 MB of weights per block

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Correlation:
    """Kendall's rank correlation of two quantities over the models of a pool.

    Attributes:
        models: number of models with both values.
        tau: Eq. 4 (τ-a); NaN where undefined.
        tau_b: the same corrected for ties; equal to ``tau`` where there are none.
        low: lower end of the bootstrap interval, too narrow for a handful of models.
        high: upper end of the bootstrap interval.
        p: two-sided p-value of no association, exact for few models without ties.
        status: "ok" or "undefined".
        reason: why undefined, or how many models were left out.
    """

    models: int
    tau: float = math.nan
    tau_b: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    status: str = "undefined"
    reason: str = ""


def format_tau(tau: float) -> str:
    """Format a coefficient with two decimals; never ``-0.00``."""
    text = f"{tau:.2f}"
    return "0.00" if text == "-0.00" else text


def format_interval(row: Mapping[Any, Any]) -> str:
    """Format the coefficient of a row of ``correlations.csv`` with its interval in brackets."""
    tau, low, high = (format_tau(row[name]) for name in ("tau", "low", "high"))
    return f"{tau} [{low}, {high}]"


def kendall(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    test: bool = True,
) -> Correlation:
    """Compute Kendall's τ (Eq. 4) of two quantities, one value per model.

    Models with a missing or infinite value are left out and counted. The bootstrap draws depend on
    ``seed`` and the number of models alone; ``resamples`` 0 leaves the interval NaN, and ``level``
    is its coverage. ``test`` adds τ-b and the p-value, which import scipy.
    """
    columns = [np.asarray(values, dtype=np.float64)[:, None] for values in (x, y)]
    return kendall_columns(*columns, seed=seed, resamples=resamples, level=level, test=test)[0]


def kendall_columns(
    x: Floats, y: Floats, *, seed: int, resamples: int, level: float, test: bool = True
) -> list[Correlation]:
    """Compute Kendall's τ of each column of ``x`` with the same column of ``y``, (models, columns).

    Columns that lack the same models share their resamples, so hundreds cost little more than one.
    Each result is the one that ``kendall`` gives for its two columns alone.
    """
    whole = np.isfinite(x) & np.isfinite(y)
    patterns: dict[bytes, list[int]] = {}
    for column in range(x.shape[1]):
        patterns.setdefault(whole[:, column].tobytes(), []).append(column)
    found: dict[int, Correlation] = {}
    for columns in patterns.values():
        rows = whole[:, columns[0]]
        dropped = len(x) - int(rows.sum())
        xs, ys = x[rows][:, columns], y[rows][:, columns]
        results = _kendall_complete(xs, ys, dropped, seed, resamples, level, test)
        found.update(zip(columns, results, strict=True))
    return [found[column] for column in range(x.shape[1])]


def _kendall_complete(
    x: Floats, y: Floats, dropped: int, seed: int, resamples: int, level: float, test: bool
) -> list[Correlation]:
    """Compute ``kendall_columns`` of complete columns; ``dropped`` models were left out before."""
    models, columns = x.shape
    left_out = f"{dropped} of {models + dropped} models left out: no value" if dropped else ""
    if models < FEWEST:
        reason = f"{models} of {models + dropped} models with both values, {FEWEST} needed"
        return [Correlation(models, reason=reason)] * columns
    first, second = np.triu_indices(models, 1)
    # (pairs, columns) of -1, 0 or 1; column by column, since double precision takes much memory.
    signs = np.empty((len(first), columns), np.float32)
    for k in range(columns):
        signs[:, k] = np.sign(x[first, k] - x[second, k]) * np.sign(y[first, k] - y[second, k])
    # Adding 0.0 turns -0.0, which would be printed as "-0", into 0.0.
    tau = signs.mean(axis=0, dtype=np.float64) + 0.0
    low, high = _bootstrap_interval(signs, models, seed, resamples, level) + 0.0
    results = []
    for k in range(columns):
        named = (("the sharpness", x), ("the target", y))
        if constant := [name for name, values in named if np.ptp(values[:, k]) == 0]:
            reason = f"{constant[0]} is the same for all {models} models"
            results.append(Correlation(models, reason=reason))
            continue
        tau_b, p = _test(x[:, k], y[:, k]) if test else (np.nan, np.nan)
        ends = float(low[k]), float(high[k])
        results.append(Correlation(models, float(tau[k]), tau_b, *ends, p, "ok", left_out))
    return results


def _test(x: Floats, y: Floats) -> tuple[float, float]:
    """Return τ-b and the p-value."""
    from scipy import stats  # slow to import, and figures do not need it

    found = stats.kendalltau(x, y)
    return float(found.statistic) + 0.0, float(found.pvalue)


def _bootstrap_interval(
    signs: npt.NDArray[np.float32], models: int, seed: int, resamples: int, level: float
) -> Floats:
    """Return the percentile interval of τ* for each column of ``signs``, (2, columns).

    All sums are of whole numbers below 2²⁴, exact in float32 in any order, so the bytes do not
    depend on the number of threads.
    """
    if resamples == 0:
        return np.full((2, signs.shape[1]), np.nan)
    first, second = np.triu_indices(models, 1)
    uniform = np.full(models, 1 / models)
    copies = np.random.default_rng([seed, models]).multinomial(models, uniform, size=resamples)
    taus = np.empty((resamples, signs.shape[1]))
    for start in range(0, resamples, _BLOCK):
        block = copies[start : start + _BLOCK].astype(np.float32)
        weights = block[:, first] * block[:, second]  # (resamples, pairs)
        total = weights.sum(axis=1, dtype=np.float64)[:, None]
        # A resample of a single model has no pair: 0/0, ignored by nanquantile.
        with np.errstate(invalid="ignore"):
            taus[start : start + _BLOCK] = (weights @ signs) / total
    tail = (1 - level) / 2
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        return np.nanquantile(taus, [tail, 1 - tail], axis=0)
