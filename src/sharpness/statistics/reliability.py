"""How much of a measure is the noise of its batches, and what τ that noise allows.

All models are measured on the same batches, so the values of a cell are a two-way table (models ×
batches). Its analysis of variance gives the reliability R, the share of the variance of the models'
means that repeats on other batches.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from sharpness.io.csv_files import check_columns, read_frame
from sharpness.statistics.kendall import FEWEST
from sharpness.statistics.pairs import Floats, pairs_of, ranks, sign_blocks, signs

FEWEST_BATCHES = 8
"""With fewer batches their bootstrap says little."""
RESAMPLES = 1000


@dataclass(frozen=True)
class Batches:
    """The values of one cell.

    Attributes:
        values: one per model and batch, (models, batches); NaN where missing.
        examples: size of each batch, (batches,).
    """

    values: Floats
    examples: Floats

    def of(self, models: npt.NDArray[np.bool_]) -> Batches:
        """Return the batches of some of the models."""
        return Batches(self.values[models], self.examples)


def read_per_batch(path: str | Path) -> pd.DataFrame:
    """Read a ``per_batch.csv``; raise UserError if it is not one."""
    table = read_frame(path)
    numbers = ("batch", "examples", "value")
    check_columns(table, path, ("model", "cell", *numbers), numbers)
    return table.astype(dict.fromkeys(numbers, np.float64))


def by_cell(per_batch: pd.DataFrame, models: Sequence[str]) -> dict[str, Batches]:
    """Return the batches of each cell in ``per_batch``, with the ``models`` as rows."""
    found = {}
    for cell, rows in per_batch.groupby("cell", sort=False):
        table = rows.pivot_table("value", "model", "batch", dropna=False).reindex([*models])
        sizes = rows.groupby("batch")["examples"].first()
        found[str(cell)] = Batches(table.to_numpy(np.float64), sizes.to_numpy(np.float64))
    return found


def reliability(values: Floats) -> float:
    """Return R = 1 − MS_residual / (B · variance of the models' means), of (models, batches).

    Below zero if batches differ more than models do; NaN with one batch, with fewer than `FEWEST`
    complete models, or if all models are equal.
    """
    values = values[np.isfinite(values).all(axis=1)]
    models, batches = values.shape
    if models < FEWEST or batches < 2:
        return math.nan
    means = values.mean(axis=1)
    residuals = values - means[:, None] - values.mean(axis=0) + values.mean()
    noise = float((residuals**2).sum()) / ((models - 1) * (batches - 1))
    between = float(means.var(ddof=1))
    return 1 - noise / (batches * between) if between > 0 else math.nan


def ceiling(reliability: float) -> float:
    """Return the τ that a perfect measure of this reliability has: (2/π) asin √R, if Gaussian."""
    return 2 / math.pi * math.asin(math.sqrt(min(max(reliability, 0.0), 1.0)))


def batch_interval(cell: Batches, targets: Floats, level: float, seed: int) -> Floats:
    """Return the percentile interval of τ over resampled batches, (2, targets).

    NaN with fewer than `FEWEST_BATCHES` batches. The draws depend on ``seed`` and on the number of
    batches alone.
    """
    batches = len(cell.examples)
    if batches < FEWEST_BATCHES:
        return np.full((2, targets.shape[1]), np.nan)
    uniform = np.full(batches, 1 / batches)
    copies = np.random.default_rng([seed, batches]).multinomial(batches, uniform, size=RESAMPLES)
    tail = (1 - level) / 2
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        return np.nanquantile(resampled_tau(cell, targets, copies), [tail, 1 - tail], axis=0)


def resampled_tau(cell: Batches, targets: Floats, copies: npt.NDArray[np.int64]) -> Floats:
    """Return τ with each target where batches count ``copies`` times, (resamples, targets).

    The copies, (resamples, batches), are the same for every model. NaN without two models.
    """
    complete = np.isfinite(cell.values).all(axis=1)
    values, targets = cell.values[complete], targets[complete]
    right = np.ascontiguousarray(signs(ranks(targets)).T)  # (targets, pairs)
    # einsum adds in one order for all models, which keeps equal models equal.
    sums = np.einsum("mb,rb->mr", values, copies * cell.examples)
    products = np.zeros((len(right), len(copies)), np.float32)
    for pairs, block in sign_blocks(sums):
        products += right[:, pairs] @ block  # whole numbers, exact
    with np.errstate(invalid="ignore", divide="ignore"):
        return (products / pairs_of(np.isfinite(targets).sum(axis=0))[:, None]).T
