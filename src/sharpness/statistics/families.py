"""The headline families of a pool: main cells with one kind of errors, judged by permutations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from sharpness.data.parts import IN_DISTRIBUTION, PARTS
from sharpness.io.csv_files import check_columns, read_frame
from sharpness.statistics.correlation import cell_columns, subgroups, target_columns
from sharpness.statistics.headline import main_cells
from sharpness.statistics.pairs import Floats
from sharpness.statistics.permutation import DRAWS, permute
from sharpness.statistics.reliability import Batches, ceiling, reliability

COLUMNS = (
    *("family", "verdict", "cell", "target"),
    *("tau", "p", "within_tau", "within_p", "ceiling", "models", "draws", "bound", "weak_p"),
)
"""Columns of ``families.csv``: a row for each coefficient, with its family's numbers.

``within_tau`` compares models of one subgroup alone, and ``within_p`` judges it by permutations
within subgroups; NaN in a pool without any.
"""

_SAME = 0.01
"""Relative tolerance for the cells of identical models: GPUs do not repeat bits."""

Labels = npt.NDArray[np.object_]

_ROUNDING = 1e-6
"""Absolute tolerance: cells are differences of losses in single precision."""


def families(
    pool: pd.DataFrame,
    kinds: Mapping[str, Sequence[str]],
    batches: Mapping[str, Batches] | None = None,
    subgroup_by: Sequence[str] = (),
    draws: int = DRAWS,
) -> pd.DataFrame:
    """Return the contents of ``families.csv``.

    Of models that are one and the same, the first counts.

    Args:
        pool: the contents of ``pool.csv``.
        kinds: the targets of each family, by its name.
        batches: those of each cell, with the pool's models, from which the ceilings come.
        subgroup_by: columns whose combinations of values are subgroups.
        draws: number of permutations.
    """
    once = distinct(pool)
    cells = main_cells(cell_columns(pool))
    kept = pool.index.isin(once.index)
    ceilings = {
        cell: ceiling(reliability(batches[cell].of(kept).values))
        for cell in cells
        if batches and cell in batches
    }
    labels = _labels(once, subgroup_by)
    rows = []
    for name, targets in kinds.items():
        if not targets or not cells:
            continue
        values = [once[list(columns)].to_numpy(np.float64) for columns in (cells, targets)]
        found = permute(*values, draws=draws)
        within = _within(values, labels, draws)
        same = {"models": found.models, "draws": found.draws, "bound": found.bound}
        same |= {"weak_p": found.weak_p}
        rows += [
            {
                **{"family": name, "verdict": found.verdict, "cell": cell, "target": target},
                **{"tau": found.tau[i, k], "p": found.p[i, k]},
                **{"within_tau": within[0][i, k], "within_p": within[1][i, k]},
                **{"ceiling": ceilings.get(cell, np.nan), **same},
            }
            for i, cell in enumerate(cells)
            for k, target in enumerate(targets)
        ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _labels(pool: pd.DataFrame, by: Sequence[str]) -> Labels:
    """Return the name of each model's subgroup, empty where it has none."""
    labels = np.full(len(pool), "", dtype=object)
    for name, rows in subgroups(pool, by):
        labels[rows] = "" if name == "all" else name
    return labels


def _within(values: Sequence[Floats], labels: Labels, draws: int) -> tuple[Floats, Floats]:
    """Return τ and adjusted p within subgroups; NaN if there are none."""
    known = labels != ""
    if not known.any():
        nothing = np.full((values[0].shape[1], values[1].shape[1]), np.nan)
        return nothing, nothing
    found = permute(*(v[known] for v in values), strata=labels[known].astype(str), draws=draws)
    return found.tau, found.p


def read_families(path: str | Path) -> pd.DataFrame:
    """Read a table of `families`; raise UserError if it is not one."""
    table = read_frame(path)
    check_columns(table, path, COLUMNS, COLUMNS[4:])
    return table


def error_kinds(pool: pd.DataFrame) -> dict[str, list[str]]:
    """Return the targets of the headline families, by name; a family may have none.

    Parts that are not in `data.parts` belong to pools of the user's own.
    """
    targets = target_columns(pool)
    part_of = {name: name.partition("_")[2] for name in targets if name.startswith("error_")}
    return {
        "test error": [name for name in part_of if name == "error_test"],
        "OOD error": [
            name for name, part in part_of.items() if part in PARTS and part not in IN_DISTRIBUTION
        ],
        "error on other data": [name for name, part in part_of.items() if part not in PARTS],
    }


def distinct(pool: pd.DataFrame) -> pd.DataFrame:
    """Return the pool with the first of identical models alone."""
    copies = [model for group in duplicate_models(pool) for model in group[1:]]
    return pool[~pool["model"].isin(copies)]


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
