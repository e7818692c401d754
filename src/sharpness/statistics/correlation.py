"""Rank correlation of every sharpness with every error of a pool: ``correlations.csv``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from sharpness.io.csv_files import check_columns, read_frame
from sharpness.io.errors import UserError
from sharpness.io.files import write_text
from sharpness.measures.measurement import is_cell, is_measured, parse
from sharpness.statistics.kendall import FEWEST, LEVEL, RESAMPLES, Correlation, kendall_columns
from sharpness.statistics.limits import COLUMNS as LIMITS
from sharpness.statistics.limits import NUMBERS, flags, limits
from sharpness.statistics.reliability import Batches


def correlations(
    pool: pd.DataFrame,
    subgroup_by: Sequence[str] = (),
    missing: Mapping[str, str] | None = None,
    batches: Mapping[str, Batches] | None = None,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Correlate every cell of a pool with every target, over all models and in each subgroup.

    The result has one row per cell, target and subgroup, the contents of ``correlations.csv``.
    Subgroups are the combinations of values in the columns ``subgroup_by``. ``missing`` holds the
    reason for each part without a data set, given where too few models have a value. ``batches``
    are those of each cell, with the pool's models. ``seed``, ``resamples`` and ``level`` are as in
    ``kendall``. Raises UserError if the pool lacks a subgroup column.
    """
    if unknown := [name for name in subgroup_by if name not in pool]:
        raise UserError(f"pool.csv: no column {unknown[0]!r}; correct the pool's subgroups")
    missing = missing or {}
    absent = [name for part in missing if (name := f"error_{part}") not in pool]
    pool = pool.assign(**dict.fromkeys(absent, np.nan))
    cells, targets = measured_columns(pool), target_columns(pool)
    pairs = list(product(cells, targets))
    blocks = []
    for name, rows in subgroups(pool, subgroup_by):
        values = pool.loc[rows, [*cells, *targets]].astype(np.float64)
        x = values[[cell for cell, _ in pairs]].to_numpy()
        y = values[[target for _, target in pairs]].to_numpy()
        found = kendall_columns(x, y, seed=seed, resamples=resamples, level=level)
        block = pd.DataFrame(map(asdict, found), columns=list(Correlation.__dataclass_fields__))
        keys = pd.DataFrame(pairs, columns=["cell", "target"]).assign(subgroup=name)
        block = pd.concat([keys, block], axis=1)
        within = {cell: found.of(rows) for cell, found in (batches or {}).items()}
        blocks.append(_with_limits(block, pool[rows], (cells, targets), within, level, seed))
    table = pd.concat(blocks).sort_index(kind="stable").reset_index(drop=True)
    empty = _empty_columns(pool, missing)
    for column in ("cell", "target"):
        known = table[column].isin(empty)
        table.loc[known, "reason"] = table.loc[known, column].map(empty)
    return table


def _with_limits(
    block: pd.DataFrame,
    pool: pd.DataFrame,
    names: tuple[Sequence[str], Sequence[str]],
    batches: Mapping[str, Batches],
    level: float,
    seed: int,
) -> pd.DataFrame:
    """Add the columns of `limits` to the coefficients of one subgroup, cell by cell."""
    found = limits(pool, *names, batches, level=level, seed=seed)
    found = found.where(block["status"] == "ok").assign(flag=flags(block, batches))
    return pd.concat([block, found[list(LIMITS)]], axis=1)


Shown = tuple[str, str, str]
"""A figure, and the cell and target that one of its panels shows."""


def within_subgroups(table: pd.DataFrame, shown: Sequence[Shown]) -> pd.DataFrame:
    """Return the coefficients of some panels, over all models and in each subgroup.

    ``table`` has the contents of ``correlations.csv``; the result, with the figure before each row,
    is ``subgroups.csv``. A panel without such a cell or target has one row that says so.
    """
    keys = pd.DataFrame(shown, columns=["figure", "cell", "target"])
    found = keys.merge(table, how="left", on=["cell", "target"])
    absent = {"subgroup": "all", "models": 0, "status": "undefined", "reason": "not measured"}
    lacking = found["subgroup"].isna()
    for name, value in absent.items():
        found[name] = found[name].mask(lacking, value)
    return found.astype({"models": int})


def target_columns(pool: pd.DataFrame) -> list[str]:
    """Return the columns with which sharpness is correlated.

    These are all errors but that of training, all generalization gaps, and the learning rate if it
    differs between models.
    """
    errors = [c for c in pool.columns if c.startswith("error_") and c != "error_train"]
    gaps = [c for c in pool.columns if c == "gap" or c.startswith("gap_")]
    differs = "learning_rate" in pool and pool["learning_rate"].nunique() > 1
    return [*errors, *gaps, *(["learning_rate"] if differs else [])]


def subgroups(pool: pd.DataFrame, by: Sequence[str]) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """Yield the name and rows of "all", then of each combination of values in columns ``by``."""
    yield "all", np.ones(len(pool), dtype=bool)
    if not by:
        return
    for values in product(*(sorted(pool[name].dropna().unique()) for name in by)):
        words = (v if isinstance(v, str) else f"{v:.12g}" for v in values)
        name = ",".join(f"{column}={word}" for column, word in zip(by, words, strict=True))
        yield name, (pool[list(by)] == list(values)).all(axis=1).to_numpy()


def cell_columns(pool: pd.DataFrame) -> list[str]:
    """Return the columns of a pool that are cells, in the pool's order."""
    return [name for name in pool.columns if is_cell(name)]


def measured_columns(pool: pd.DataFrame) -> list[str]:
    """Return the columns of a pool that are cells or other measures, in the pool's order."""
    return [name for name in pool.columns if is_measured(name)]


def format_radius(radius: float) -> str:
    """Format a radius as the paper does: ``0.00001`` and ``1.0``, never ``1e-05``."""
    return np.format_float_positional(radius, trim="0")


def _empty_columns(pool: pd.DataFrame, missing: Mapping[str, str]) -> dict[str, str]:
    """Return the reason for each target without data, and for each cell if no model is measured."""
    found = {}
    for name in target_columns(pool):
        kind, _, part = name.partition("_")
        parts = [part or "test", "train"] if kind == "gap" else [part]
        reasons = [missing[part] for part in parts if part in missing]
        if reasons and pool[name].notna().sum() < FEWEST:
            found[name] = reasons[0]
    unused = pool[pool["status"] != "ok"]
    if len(unused) == len(pool) and len(pool):
        reasons = list(unused["reason"].unique())
        words = reasons[0] if len(reasons) == 1 else f"for instance, {reasons[0]}"
        found |= dict.fromkeys(measured_columns(pool), f"no model is measured: {words}")
    return found


def read_pool(path: str | Path) -> pd.DataFrame:
    """Read a ``pool.csv``: one row per model, NaN for missing values.

    Raises:
        UserError: if a column is missing, names no cell, or has words where numbers are needed.
    """
    pool = read_frame(path)
    errors = [name for name in pool.columns if name.startswith("error_")]
    numbers = [*errors, *target_columns(pool), *measured_columns(pool)]
    check_columns(pool, path, ("model", "status", "reason", "error_test"), numbers)
    for name in measured_columns(pool):
        try:
            parse(name)
        except UserError as problem:
            raise UserError(f"{path}: {problem}") from problem
    return pool.fillna({"reason": ""})


def write_correlations(path: str | Path, frame: pd.DataFrame) -> None:
    """Write a table of correlations with six significant digits."""
    write_text(path, frame.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def read_correlations(path: str | Path) -> pd.DataFrame:
    """Read a table that ``write_correlations`` wrote; raise UserError if it is not one."""
    table = read_frame(path)
    found = [*Correlation.__dataclass_fields__, *LIMITS]
    numbers = [
        *NUMBERS,
        *(name for name in found[: -len(LIMITS)] if name not in ("status", "reason")),
    ]
    check_columns(table, path, ("cell", "target", "subgroup", *found), numbers)
    return table.fillna({"reason": "", "flag": ""})


def read_subgroups(path: str | Path) -> pd.DataFrame:
    """Read a table of `within_subgroups`, which `write_correlations` wrote."""
    table = read_correlations(path)
    check_columns(table, path, ("figure",))
    return table
