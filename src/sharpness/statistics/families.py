"""The headline families of a pool: main cells with one kind of errors, judged by permutations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from sharpness.io.csv_files import check_columns, read_frame
from sharpness.measures.definition import Cell
from sharpness.measures.measurement import is_cell
from sharpness.statistics.correlation import cell_columns
from sharpness.statistics.permutation import DRAWS, permute

COLUMNS = (
    *("family", "verdict", "cell", "target"),
    *("tau", "p", "models", "draws", "bound", "weak_p"),
)
"""Columns of ``families.csv``: a row for each coefficient, with its family's numbers."""

_SAME = 0.01
"""Relative tolerance for the cells of identical models: GPUs do not repeat bits."""

_ROUNDING = 1e-6
"""Absolute tolerance: cells are differences of losses in single precision."""


def main_cells(words: Iterable[str]) -> list[str]:
    """Return the cells of the verdict: the paper's, of the first protocol, without ablations."""
    cells = {word: Cell.parse(word) for word in words if is_cell(word)}
    first = main_protocol(cells)
    usual = {word: cell for word, cell in cells.items() if not cell.definition.gauge}
    return [w for w, c in usual.items() if c == Cell(c.definition, c.radius, first)]


def main_protocol(words: Iterable[str]) -> str:
    """Return the protocol of the verdict: that of the first cell, or an empty string."""
    return next((Cell.parse(word).protocol for word in words if is_cell(word)), "")


def families(
    pool: pd.DataFrame, kinds: Mapping[str, Sequence[str]], draws: int = DRAWS
) -> pd.DataFrame:
    """Return the contents of ``families.csv``.

    Of models that are one and the same, the first counts.

    Args:
        pool: the contents of ``pool.csv``.
        kinds: the targets of each family, by its name.
        draws: number of permutations.
    """
    copies = [model for group in duplicate_models(pool) for model in group[1:]]
    once = pool[~pool["model"].isin(copies)]
    cells = main_cells(cell_columns(pool))
    rows = []
    for name, targets in kinds.items():
        if not targets or not cells:
            continue
        values = [once[list(columns)].to_numpy(np.float64) for columns in (cells, targets)]
        found = permute(*values, draws=draws)
        same = {"models": found.models, "draws": found.draws, "bound": found.bound}
        same |= {"weak_p": found.weak_p}
        rows += [
            {
                **{"family": name, "verdict": found.verdict, "cell": cell, "target": target},
                **{"tau": found.tau[i, k], "p": found.p[i, k], **same},
            }
            for i, cell in enumerate(cells)
            for k, target in enumerate(targets)
        ]
    return pd.DataFrame(rows, columns=COLUMNS)


def read_families(path: str | Path) -> pd.DataFrame:
    """Read a table of `families`; raise UserError if it is not one."""
    table = read_frame(path)
    check_columns(table, path, COLUMNS, COLUMNS[4:])
    return table


def duplicate_models(pool: pd.DataFrame) -> list[list[str]]:
    """Return groups of identical models: equal errors, and cells that agree within 1 %."""
    used = pool[pool["status"] == "ok"]
    errors = used[[name for name in used.columns if name.startswith("error_")]].to_numpy(float)
    cells = used[cell_columns(used)].to_numpy(float)
    groups: list[list[int]] = []
    known = np.isfinite(errors).any(axis=1) & np.isfinite(cells).any(axis=1)
    for i in np.flatnonzero(known).tolist():
        for group in groups:
            same = np.array_equal(errors[i], errors[group[0]], equal_nan=True)
            both = cells[i], cells[group[0]]
            if same and np.allclose(*both, rtol=_SAME, atol=_ROUNDING, equal_nan=True):
                group.append(i)
                break
        else:
            groups.append([i])
    return [[*used["model"].iloc[group]] for group in groups if len(group) > 1]
