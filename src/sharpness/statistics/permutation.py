"""Which of many rank correlations chance alone would not give: max-|τ| permutations, step-down.

A family is every cell with every target. The target is permuted over the models, and the models ×
cells matrix is kept, so that the correlations among cells stay as they are (Westfall and Young,
1993). The adjusted p of a coefficient is the share of permutations whose largest |τ| is as large,
among the coefficients that are not larger in the data. Needs no torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt

from sharpness.statistics.kendall import FEWEST
from sharpness.statistics.pairs import Floats, pairs_of, ranks, sign_blocks, signs

DRAWS = 10_000
EXACT = 7
"""Largest number of models of which all permutations are taken."""
SIGNIFICANT = 0.05
FLATTEST = 0.1
"""Share of the models that count as the flattest (at least one)."""
RELEVANT = 0.3
"""A |τ| that would be of use; "no" says that there is no room for it."""

_BLOCK = 1000  # permutations at a time
_ROUNDING = 1e-9

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Family:
    """Coefficients of a family, with what chance alone gives.

    Attributes:
        tau: Kendall's τ (Eq. 4), (cells, targets); NaN where undefined.
        p: adjusted two-sided p-values, (cells, targets); NaN where undefined.
        bound: the 95 % point of max |τ*| under permutation.
        weak_p: p-value of the lowest mean error of any cell's flattest models.
        models: number of models.
        draws: number of permutations; all of them if ``exact``.
        exact: whether these are all permutations.
    """

    tau: Floats
    p: Floats
    bound: float
    weak_p: float
    models: int
    draws: int
    exact: bool

    @property
    def verdict(self) -> str:
        """Return "yes", "reverse", "mixed", "no" or "cannot tell" (see `judge`)."""
        return judge(self)


def judge(family: Family) -> str:
    """Return whether higher sharpness goes with higher error.

    "yes": some adjusted p is below .05 with τ > 0, and none with τ < 0; "reverse": the opposite;
    "mixed": both; "no": neither, and the largest |τ| plus the 95 % point under permutation is below
    `RELEVANT`; "cannot tell": otherwise.
    """
    found = np.isfinite(family.tau)
    if not found.any():
        return "cannot tell"
    sure = found & (family.p < SIGNIFICANT)
    up, down = bool((family.tau[sure] > 0).any()), bool((family.tau[sure] < 0).any())
    if up or down:
        return "mixed" if up and down else "yes" if up else "reverse"
    largest = float(np.abs(family.tau[found]).max())
    return "no" if largest + family.bound < RELEVANT else "cannot tell"


def permute(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    strata: npt.ArrayLike | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Family:
    """Compute τ of each cell with each target, and judge them by permutations of the models.

    Args:
        x: the cells, (models, cells); NaN where a value is missing.
        y: the targets, (models, targets), permuted together.
        strata: labels of subgroups, (models,), within which models are compared and permuted; the
            family then tells of the association given the subgroup.
        draws: number of permutations; with at most `EXACT` models and no strata, all are taken.
        seed: of the permutations.
    """
    cells, targets = np.asarray(x, np.float64), np.asarray(y, np.float64)
    kept = np.isfinite(cells).any(axis=1) & np.isfinite(targets).any(axis=1)
    cells, targets = cells[kept], targets[kept]
    labels = np.zeros(len(cells)) if strata is None else np.asarray(strata)[kept]
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    models, shape = len(cells), (cells.shape[1], targets.shape[1])
    if models < FEWEST:
        nothing = np.full(shape, np.nan)
        return Family(nothing, nothing, math.nan, math.nan, models, 0, False)
    exact = models <= EXACT and len(groups) == 1
    orders = _orders(groups, draws, seed, exact)
    identity = np.arange(models)[None]
    tau = _tau(cells, targets, identity, groups)[0]
    defined = np.flatnonzero(np.isfinite(tau))
    ranked = defined[np.argsort(-np.abs(tau[defined]), kind="stable")]
    counts, largest = np.zeros(len(ranked), int), []
    weak, weak_count = _weakest(cells, targets, identity)[0], 0
    for start in range(0, len(orders), _BLOCK):
        block = orders[start : start + _BLOCK]
        drawn = np.abs(np.nan_to_num(_tau(cells, targets, block, groups)[:, ranked]))
        tops = np.maximum.accumulate(drawn[:, ::-1], axis=1)[:, ::-1]
        counts += (tops >= np.abs(tau[ranked]) - _ROUNDING).sum(axis=0)
        largest.append(tops[:, 0] if len(ranked) else np.zeros(len(block)))
        weak_count += int((_weakest(cells, targets, block) >= weak - _ROUNDING).sum())
    more = 0 if exact else 1  # the data themselves are one of the permutations
    p = np.full(tau.shape, np.nan)
    p[ranked] = np.maximum.accumulate((counts + more) / (len(orders) + more))
    return Family(
        tau.reshape(shape),
        p.reshape(shape),
        float(np.quantile(np.concatenate(largest), 0.95)),
        (weak_count + more) / (len(orders) + more),
        models,
        len(orders),
        exact,
    )


def _orders(groups: Sequence[Places], draws: int, seed: int, exact: bool) -> Places:
    """Return the permutations within each group of models, (draws, models)."""
    models = sum(map(len, groups))
    if exact:
        return np.array(list(permutations(range(models))))
    rng = np.random.default_rng([seed, models])
    orders = np.tile(np.arange(models), (draws, 1))
    for place in groups:
        orders[:, place] = rng.permuted(orders[:, place], axis=1)
    return orders


def _tau(
    cells: Floats, targets: Floats, orders: npt.NDArray[np.int64], groups: Sequence[Places]
) -> Floats:
    """Return τ of each cell with each permuted target, (orders, cells · targets).

    Its pairs are those within one of the ``groups``, between which the orders move no model.
    """
    shape = (cells.shape[1], targets.shape[1])
    products = np.zeros((targets.shape[1], cells.shape[1], len(orders)), np.float32)
    count, varied = np.zeros(products.shape), np.zeros(shape, bool)
    for place in groups:
        left = np.ascontiguousarray(signs(ranks(cells[place])).T)  # (cells, pairs)
        known = np.isfinite(cells[place]).astype(np.float32)
        ranked = ranks(targets)
        for k, column in enumerate(ranked.T):
            permuted = np.ascontiguousarray(column[orders[:, place]].T)  # (models, orders)
            for pairs, block in sign_blocks(permuted):
                products[k] += left[:, pairs] @ block  # whole numbers, exact
            count[k] += pairs_of(known.T @ np.isfinite(permuted).astype(np.float32))
        # A constant cell or target ranks nothing.
        varied |= np.outer(left.any(axis=1), signs(ranked[place]).any(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.where(varied, (products / count).transpose(2, 1, 0), np.nan)
    return found.reshape(len(orders), -1) + 0.0


def _weakest(cells: Floats, targets: Floats, orders: npt.NDArray[np.int64]) -> Floats:
    """Return by how many deviations the flattest models of the best cell are below the mean."""
    flattest = _flattest(cells)
    best = np.full(len(orders), -np.inf)
    for target in targets.T:
        known = np.isfinite(target)
        deviation = target[known].std() if known.any() else 0.0
        if deviation == 0:
            continue
        scaled = np.where(known, (target[known].mean() - target) / deviation, 0.0)
        with np.errstate(invalid="ignore"):
            means = (scaled[orders] @ flattest) / (known[orders] @ flattest)
        best = np.fmax(best, np.fmax.reduce(means, axis=1, initial=-np.inf))
    return best


def _flattest(cells: Floats) -> Floats:
    """Return 1 for the flattest models of each cell that is not constant, else 0."""
    found = np.zeros(cells.shape)
    for place, cell in enumerate(cells.T):
        known = np.flatnonzero(np.isfinite(cell))
        if len(known) >= FEWEST and np.ptp(cell[known]) > 0:
            ranked = known[np.argsort(cell[known], kind="stable")]
            found[ranked[: max(1, round(FLATTEST * len(known)))], place] = 1
    return found
