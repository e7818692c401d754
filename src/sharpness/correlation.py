"""Which sharpness ranks the models of a pool as which error does: ``correlations.csv``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from sharpness.definition import Cell
from sharpness.files import write_text
from sharpness.kendall import LEVEL, RESAMPLES, Correlation, kendall_columns
from sharpness.problem import Problem

TARGETS = ("error_test", "error_corrupted", "gap", "learning_rate")
"""What sharpness is correlated with."""


def correlations(
    pool: pd.DataFrame,
    targets: Sequence[str] = TARGETS,
    subgroup_by: Sequence[str] = ("augment", "mixup"),
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Every cell of a pool against every target, over all models and within each subgroup.

    Args:
        pool: one row per model, as ``read_pool`` gives it.
        targets: columns to correlate the cells with.
        subgroup_by: columns whose combinations of values are the subgroups.
        seed: of the bootstrap.
        resamples: bootstrap resamples.
        level: coverage of the intervals.

    Returns:
        One row per cell, target and subgroup: the contents of ``correlations.csv``.

    Raises:
        Problem: if the pool lacks a target or a subgroup column.
    """
    if absent := [name for name in (*targets, *subgroup_by) if name not in pool]:
        raise Problem(f"pool.csv: no column {absent[0]!r}; its columns come from the evaluation")
    cells = cell_columns(pool)
    pairs = list(product(cells, targets))
    blocks = []
    for name, rows in subgroups(pool, subgroup_by):
        values = pool.loc[rows, list(dict.fromkeys([*cells, *targets]))].astype(np.float64)
        x = values[[cell for cell, _ in pairs]].to_numpy()
        y = values[[target for _, target in pairs]].to_numpy()
        found = kendall_columns(x, y, seed=seed, resamples=resamples, level=level)
        block = pd.DataFrame(map(asdict, found), columns=list(Correlation.__dataclass_fields__))
        keys = pd.DataFrame(pairs, columns=["cell", "target"]).assign(subgroup=name)
        blocks.append(pd.concat([keys, block], axis=1))
    return pd.concat(blocks).sort_index(kind="stable").reset_index(drop=True)


def subgroups(pool: pd.DataFrame, by: Sequence[str]) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """The name and rows of "all", then of each combination of the values in the columns ``by``."""
    yield "all", np.ones(len(pool), dtype=bool)
    if not by:
        return
    for values in product(*(sorted(pool[name].dropna().unique()) for name in by)):
        name = ",".join(f"{column}={value:g}" for column, value in zip(by, values, strict=True))
        yield name, (pool[list(by)] == list(values)).all(axis=1).to_numpy()


def cell_columns(pool: pd.DataFrame) -> list[str]:
    """The columns of a pool that are cells, in the pool's order."""
    return [name for name in pool.columns if "@" in name]


def read_pool(path: str | Path) -> pd.DataFrame:
    """The models of a ``pool.csv``: one row each, NaN for what is missing.

    Raises:
        Problem: if the file lacks a column or has a column that names no cell.
    """
    pool = pd.read_csv(path, dtype={"model": str, "status": str, "reason": str})
    for name in ("model", "status", "reason", "error_test"):
        if name not in pool:
            raise Problem(f"{path}: no column {name!r}; make the file anew by the workflow")
    for name in cell_columns(pool):
        Cell.parse(name)
    return pool.fillna({"reason": ""})


def write_correlations(path: str | Path, frame: pd.DataFrame) -> None:
    """Write a table of coefficients with six significant digits."""
    write_text(path, frame.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def read_correlations(path: str | Path) -> pd.DataFrame:
    """The table that ``write_correlations`` wrote."""
    return pd.read_csv(path).fillna({"reason": ""})
