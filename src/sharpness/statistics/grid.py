"""Statistics of pools whose hyper-parameters form a grid: ``grid.csv``.

Granulated Ψ, robust sign error and conditional mutual information of each main cell with the test
error, judged by permutations of the models: each p is adjusted for all cells by the best of them.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd

from sharpness.statistics.correlation import cell_columns
from sharpness.statistics.granulated import Codes, factor_pairs, granulated_weights
from sharpness.statistics.headline import main_cells
from sharpness.statistics.kendall import kendall
from sharpness.statistics.mutual_information import conditional_information
from sharpness.statistics.pairs import Floats
from sharpness.statistics.sign_error import environments, noise_weights, sign_errors

DRAWS = 1000
TARGET = "error_test"
SEEDS = ("seed", "run")
"""Hyper-parameters over whose values models are averaged."""
LEVELS = 6
"""Numbers with more values than these are taken in thirds for the information."""

_FILLED = 0.25
"""Share of all combinations of values that a grid has at least."""
_BLOCK = 100  # permutations at a time
_ROUNDING = 1e-9

COLUMNS = (
    *("cell", "target", "settings", "tau", "psi", "psi_p", "groups", "sign_error"),
    *("worst", "worst_p", "environments", "information", "information_p", "reason"),
)
"""Columns of ``grid.csv``.

``settings`` counts the combinations of hyper-parameters, over whose seeds models are averaged;
``sign_error`` is the mean over ``environments`` and ``worst`` the largest; ``information`` is K,
which is blind to the sign of ``tau``.
"""


def grid(pool: pd.DataFrame, draws: int = DRAWS) -> pd.DataFrame:
    """Return the contents of ``grid.csv``; one row that says why if the pool is no grid."""
    names = varied(pool)
    known = [name for name in main_cells(cell_columns(pool)) if pool[name].notna().any()]
    used = pool.dropna(subset=[*names, *known, TARGET])
    if not (known and is_grid(used, names)):
        return pd.DataFrame([{"reason": "hyper-parameters form no grid"}], columns=COLUMNS)
    settings = used.groupby(names)[[*known, TARGET]].mean().reset_index()
    examples = float(used["examples_test"].min()) if "examples_test" in used else np.nan
    x, y = settings[known].to_numpy(np.float64), settings[TARGET].to_numpy(np.float64)
    rng = np.random.default_rng([0, len(x)])
    orders = rng.permuted(np.tile(np.arange(len(x)), (draws + 1, 1)), axis=1)
    orders[0] = np.arange(len(x))  # the data themselves
    columns = _pairwise(x, y, coded(settings[names]), examples, orders)
    information = [
        conditional_information(x, y[block].T, thirds(settings[names]))
        for block in np.array_split(orders, max(1, len(orders) // _BLOCK))
    ]
    columns |= _judged("information", np.concatenate(information, axis=1).T)
    taus = [kendall(column, y, resamples=0, test=False).tau for column in x.T]
    rows = pd.DataFrame({"cell": known, "target": TARGET, "settings": len(x), "tau": taus})
    return rows.assign(**columns, reason="")[[*COLUMNS]]


def varied(pool: pd.DataFrame) -> list[str]:
    """Return the hyper-parameters that vary, without seeds and those that another one determines.

    They are the columns between those of the model and its errors.
    """
    columns = list(pool.columns)
    first_error = next(i for i, name in enumerate(columns) if name.startswith("error_"))
    names = [name for name in columns[:first_error] if name not in ("model", "status", "reason")]
    names = [name for name in names if name not in SEEDS and pool[name].nunique() > 1]

    def finer(one: str, other: str) -> bool:
        return bool(pool.groupby(one)[other].nunique().max() == 1)

    return [
        name
        for place, name in enumerate(names)
        if not any(
            finer(other, name) and (rank < place or not finer(name, other))
            for rank, other in enumerate(names)
            if other != name
        )
    ]


def is_grid(pool: pd.DataFrame, names: list[str]) -> bool:
    """Return whether values recur and a good part of their combinations is there.

    At least two hyper-parameters, each with at most half as many values as there are models.
    """
    levels = [pool[name].nunique() for name in names]
    if len(names) < 2 or max(levels) > len(pool) / 2:
        return False
    return len(pool[names].drop_duplicates()) >= _FILLED * math.prod(levels)


def coded(frame: pd.DataFrame) -> Codes:
    """Return the rank of each value in its column, (rows, columns)."""
    return np.column_stack([pd.factorize(frame[name], sort=True)[0] for name in frame])


def thirds(frame: pd.DataFrame) -> Codes:
    """Return `coded` values, where numbers with more than `LEVELS` values are taken in thirds."""
    codes = coded(frame)
    for place, name in enumerate(frame):
        if pd.api.types.is_numeric_dtype(frame[name]) and frame[name].nunique() > LEVELS:
            codes[:, place] = pd.qcut(frame[name], 3, labels=False, duplicates="drop")
    return codes


def _pairwise(
    x: Floats, y: Floats, factors: Codes, examples: float, orders: npt.NDArray[np.int64]
) -> dict[str, Floats | int]:
    """Return the columns of Ψ and of the sign error; the orders permute the measures."""
    pairs = factor_pairs(factors)
    weights = granulated_weights(pairs)
    gaps = y[pairs.first] - y[pairs.second]
    shares = environments(pairs, factors, noise_weights(gaps, examples))
    psi, worst = (np.empty((len(orders), x.shape[1])) for _ in range(2))
    for start in range(0, len(orders), _BLOCK):
        block = orders[start : start + _BLOCK].T
        differences = x[block[pairs.first]] - x[block[pairs.second]]  # (pairs, orders, cells)
        products = np.sign(differences) * np.sign(gaps)[:, None, None]
        psi[start : start + _BLOCK] = np.tensordot(weights, products, axes=1)
        errors = sign_errors(shares, products)
        worst[start : start + _BLOCK] = errors.max(axis=0, initial=0) if len(shares) else np.nan
        if start == 0:
            mean = errors[:, 0].mean(axis=0) if len(shares) else np.full(x.shape[1], np.nan)
    counts = {"groups": len(np.unique(pairs.group)), "environments": len(shares)}
    found = _judged("psi", psi, two_sided=True) | counts | {"sign_error": mean}
    return found | _judged("worst", -worst) | {"worst": worst[0]}


def _judged(name: str, drawn: Floats, *, two_sided: bool = False) -> dict[str, Floats]:
    """Return the statistic of each cell, the first row of ``drawn``, and its adjusted p."""
    sizes = np.abs(drawn) if two_sided else drawn
    best = sizes.max(axis=1, keepdims=True)
    p = np.where(np.isfinite(sizes[0]), (best >= sizes[0] - _ROUNDING).mean(axis=0), np.nan)
    return {name: drawn[0] + 0.0, f"{name}_p": p}
