"""Abalone (Nash et al., 1994; UCI): the rings of 4,177 shells, from eight measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sharpness.data.contents import contents
from sharpness.problem import Problem

ROWS = 4177
SEXES = ("M", "F", "I")
"""Male, female, infant: the first column, and the order of its indicators."""
MEASUREMENTS = 7


@dataclass(frozen=True)
class Abalone:
    """The table, in the file's order.

    Attributes:
        features: (n, 10), float64: seven measurements as the file has them, then the indicators
            of `SEXES`.
        rings: (n,), float64 whole numbers, the target.
    """

    features: NDArray[np.float64]
    rings: NDArray[np.float64]


def read(files: Sequence[Path]) -> Abalone:
    """The whole table.

    Args:
        files: ``abalone.data`` alone.

    Raises:
        Problem: if the file cannot be read or has not 4,177 rows; or at the first line that is not
            a sex, seven measurements and a number of rings.
    """
    (path,) = files
    lines = contents(path).decode("latin1").splitlines()
    rows = np.array([_row(line, f"{path}, line {i}") for i, line in enumerate(lines, 1)])
    if len(rows) != ROWS:
        raise Problem(f"{path}: has {len(rows)} rows, not {ROWS}; fetch it again")
    return Abalone(features=rows[:, :-1].copy(), rings=rows[:, -1].copy())


def _row(line: str, place: str) -> list[float]:
    """Measurements, indicators and rings of one line."""
    sex, *numbers = line.strip().split(",")
    try:
        *measured, rings = map(float, numbers)
    except ValueError:
        measured, rings = [], 0.0
    whole = len(measured) == MEASUREMENTS and np.isfinite(measured).all() and min(measured) >= 0
    if sex not in SEXES or not whole or rings < 1 or not rings.is_integer():
        raise Problem(f"{place}: is no sex (M, F or I), 7 measurements and rings: {line[:60]!r}")
    return [*measured, *(float(sex == other) for other in SEXES), rings]
