"""What a coefficient has to be read with: noise of the batches, few models, other quantities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from sharpness.statistics.kendall import FEW
from sharpness.statistics.pairs import Floats
from sharpness.statistics.partial import partial_tau
from sharpness.statistics.reliability import (
    FEWEST_BATCHES,
    Batches,
    batch_interval,
    ceiling,
    reliability,
)

GIVEN = {"partial_learning_rate": "learning_rate", "partial_train_loss": "loss_train"}
"""Columns of partial τ, and the column of the pool that each is given."""

NUMBERS = ("reliability", "ceiling", "batch_low", "batch_high", *GIVEN)
COLUMNS = (*NUMBERS[:4], "flag", *GIVEN)
"""Columns that `limits` adds to ``correlations.csv``."""

FEW_MODELS = f"n < {FEW}"
FULL = "|τ| = 1"
FEW_BATCHES = "too few batches"
"""Flags: the interval over models is too narrow, has no width; that over batches is left out."""


def limits(
    pool: pd.DataFrame,
    cells: Sequence[str],
    targets: Sequence[str],
    batches: Mapping[str, Batches],
    *,
    level: float,
    seed: int,
) -> pd.DataFrame:
    """Return the `NUMBERS` of each cell with each target, cell by cell.

    ``batches`` holds those of the models of ``pool``, in its order; a cell may have none.
    """
    x, y = (pool[list(names)].to_numpy(np.float64) for names in (cells, targets))
    shape = (len(cells), len(targets))
    found = {name: np.full(shape, np.nan) for name in NUMBERS}
    for place, cell in enumerate(cells):
        if cell in batches:
            share = reliability(batches[cell].values)
            found["reliability"][place] = share
            found["ceiling"][place] = ceiling(share)
            ends = batch_interval(batches[cell], y, level, seed)
            found["batch_low"][place], found["batch_high"][place] = ends
    for column, name in GIVEN.items():
        for place, target in enumerate(targets):
            if name in pool and name != target:
                given = pd.to_numeric(pool[name], errors="coerce").to_numpy(np.float64)
                found[column][:, place] = partial_tau(x, y[:, place], given)
    return pd.DataFrame({name: _flat(values) for name, values in found.items()})


def _flat(values: Floats) -> Floats:
    return values.ravel() + 0.0  # turns -0.0, which would be printed as "-0", into 0.0


def flags(table: pd.DataFrame, batches: Mapping[str, Batches]) -> list[str]:
    """Return the flags of each row of ``table``, joined by semicolons; empty where there are none.

    ``table`` has columns cell, models, tau and status.
    """
    few = {cell for cell, found in batches.items() if len(found.examples) < FEWEST_BATCHES}
    found = []
    for row in table.to_dict("records"):
        said = {
            FEW_MODELS: row["models"] < FEW,
            FULL: abs(row["tau"]) == 1,
            FEW_BATCHES: row["cell"] in few,
        }
        words = [word for word, applies in said.items() if applies]
        found.append("; ".join(words) if row["status"] == "ok" else "")
    return found
