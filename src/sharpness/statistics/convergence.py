"""Whether a measure has converged: ``convergence.csv``, from cells and batches that exist.

Worst case by the number of Auto-PGD steps and average case by the number of draws, where a pool has
an ablation of them (Fig. 30), and every main cell by the number of batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from sharpness.measures.definition import Cell
from sharpness.statistics.correlation import cell_columns
from sharpness.statistics.headline import main_cells
from sharpness.statistics.kendall import kendall
from sharpness.statistics.pairs import Floats
from sharpness.statistics.reliability import Batches

COLUMNS = ("kind", "cell", "amount", "models", "tau", "rank", "median")
"""Columns of ``convergence.csv``.

``amount`` counts what ``kind`` names: steps, samples or batches; ``tau`` is that with the test
error, ``rank`` τ between the values at this amount and at the largest one, and ``median`` the
median value over models.
"""


def convergence(
    pool: pd.DataFrame, batches: Mapping[str, Batches], usual: Mapping[str, int]
) -> pd.DataFrame:
    """Return the contents of ``convergence.csv``.

    Args:
        pool: the contents of ``pool.csv``.
        batches: those of each cell, with the pool's models.
        usual: the number of steps and samples of cells that name none.
    """
    amounts = {
        (kind, cell): found for kind in usual for cell, found in _by_effort(pool, kind, usual[kind])
    }
    for cell in main_cells(cell_columns(pool)):
        if cell in batches:
            amounts["batches", cell] = _by_batches(batches[cell])
    error = pool["error_test"].to_numpy(np.float64)
    rows = [
        {"kind": kind, "cell": cell, **row}
        for (kind, cell), values in amounts.items()
        for row in _rows(values, error)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _by_effort(
    pool: pd.DataFrame, kind: str, usual: int
) -> Iterator[tuple[str, dict[int, Floats]]]:
    """Yield each cell that was measured by several numbers of ``kind``, with the values by them."""
    cells = {Cell.parse(word): pool[word].to_numpy(np.float64) for word in cell_columns(pool)}
    found: dict[Cell, dict[int, Floats]] = {}
    for cell, values in cells.items():
        if (number := getattr(cell, kind)) is not None:
            none: Any = {kind: None}
            found.setdefault(replace(cell, **none), {})[number] = values
    for cell, by_number in found.items():
        if cell in cells:
            by_number.setdefault(usual, cells[cell])
        if len(by_number) > 1:
            yield cell.id, by_number


def _by_batches(cell: Batches) -> dict[int, Floats]:
    """Return the value of each model by its first 1, 2, 4 ... batches, and by all."""
    total = len(cell.examples)
    sums = np.cumsum(cell.values * cell.examples, axis=1)
    means = sums / np.cumsum(cell.examples)
    return {n: means[:, n - 1] for n in {*(2 ** np.arange(total.bit_length())).tolist(), total}}


def _rows(values: Mapping[int, Floats], error: Floats) -> Iterator[dict[str, Any]]:
    last = values[max(values)]
    for amount in sorted(values):
        known = values[amount][np.isfinite(values[amount])]
        found = kendall(values[amount], error, resamples=0, test=False)
        yield {
            "amount": amount,
            "models": found.models,
            "tau": found.tau,
            "rank": kendall(values[amount], last, resamples=0, test=False).tau,
            "median": np.median(known) if len(known) else np.nan,
        }
