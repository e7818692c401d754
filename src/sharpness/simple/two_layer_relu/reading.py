"""The files that the jobs of the study made, several of a kind as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from sharpness.problem import Problem
from sharpness.simple.two_layer_relu.runs import Run

Files = Mapping[str, Any]
"""Paths by what they hold: ``catalogue``, and lists of ``solutions``, ``curves``, ``weights``."""


def read(files: Files, kind: str) -> pd.DataFrame:
    """The rows of all CSV files of a kind.

    Raises:
        Problem: there is no file of the kind.
    """
    paths = several(files, kind)
    if not paths:
        raise Problem(f"no file of {kind} of two_layer_relu; make two_layer_relu first")
    tables = [pd.read_csv(path) for path in paths]
    return pd.concat([table for table in tables if len(table)], ignore_index=True)


def several(files: Files, kind: str) -> list[Path]:
    """The paths of a kind, whether one is given or a list."""
    found = files.get(kind, [])
    return [Path(path) for path in ([found] if isinstance(found, str | Path) else found)]


def of_run(table: pd.DataFrame, run: Run) -> pd.DataFrame:
    """The rows of a run, by seed."""
    return table[table["run"] == run.id].sort_values("seed", kind="stable")


def in_pool(solutions: pd.DataFrame, runs: Iterable[Run]) -> pd.DataFrame:
    """The solutions that are compared with each other: finished ones of the runs that are."""
    names = [run.id for run in runs if run.pool]
    return solutions[solutions["run"].isin(names) & (solutions["status"] == "ok")]


def length(run: Run, solutions: pd.DataFrame) -> str:
    """How a run trained: ``4,000 of 100,000 epochs``, and whether only by the paper's settings."""
    rows = of_run(solutions, run)
    if rows.empty:
        return ""
    schedule = rows["schedule"].iloc[0]
    if not run.reduced(schedule):
        return f"{run.epochs(schedule):,} epochs"
    other = "" if run.shortened(schedule) else ", partly other settings"
    return f"{run.epochs(schedule):,} of {run.epochs('published'):,} epochs{other}"
