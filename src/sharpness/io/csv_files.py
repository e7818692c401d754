"""Read the project's CSV files with pandas: only empty cells are missing, text stays text."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from pathlib import Path

import pandas as pd

from sharpness.io.errors import REMAKE, UserError, reading

WORDS = (
    *("model", "status", "reason", "flag", "checkpoint"),
    *("points_digest", "part", "data", "source"),
)
"""Columns of text, even where a value is "NA" or looks like a number."""


def read_frame(path: str | Path) -> pd.DataFrame:
    """Read a CSV file of this project (empty cells are NaN); raise UserError if it is no table."""
    words = dict.fromkeys(WORDS, str)
    with reading(path, REMAKE):
        return pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=words)


def check_columns(
    frame: pd.DataFrame, path: str | Path, names: Iterable[str], numbers: Iterable[str] = ()
) -> None:
    """Raise UserError if a column of ``names`` is missing, or one of ``numbers`` holds text."""
    for name in names:
        if name not in frame:
            raise UserError(f"{path}: no column {name!r}; {REMAKE}")
    for name in numbers:
        if name in frame and frame[name].dtype.kind not in "iuf":
            values = frame[name].dropna()
            odd = [value for value in values if not _is_number(value)]
            if culprits := [*odd, *values]:  # none if all cells are empty
                shown = str(culprits[0])[:60]
                raise UserError(f"{path}: {shown!r} in column {name!r} is no number; {REMAKE}")


def _is_number(value: object) -> bool:
    try:
        return isfinite(float(str(value)))
    except ValueError:
        return False
