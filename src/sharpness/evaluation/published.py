"""Errors that the publishers of models state, and how far the evaluated ones are from them.

Needs no torch, and to read them no pandas.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sharpness.io.errors import UserError, readable
from sharpness.io.files import write_text

if TYPE_CHECKING:
    import pandas as pd

LIMIT = 0.3
"""Points by which an evaluated error may miss the published one without a warning."""

KEYS = ("pool", "model", "part", "error", "preprocessing", "source")
COLUMNS = ["model", "part", "published", "evaluated", "difference", "comparable", "warn"]
COLUMNS += ["preprocessing", "source"]


@dataclass(frozen=True)
class PublishedError:
    """What a publisher states.

    Attributes:
        error: a fraction.
        preprocessing: how the inputs were prepared; empty if any way gives this error.
        source: where it is stated.
    """

    error: float
    preprocessing: str
    source: str

    def comparable(self, preprocessing: str) -> bool:
        """Whether inputs prepared in that way should give this error."""
        return not self.preprocessing or not preprocessing or self.preprocessing == preprocessing


Published = Mapping[str, Mapping[str, PublishedError]]
"""By model, then by part."""


def read_published_errors(path: str | Path, pool: str) -> dict[str, dict[str, PublishedError]]:
    """The published errors of a pool's models, by model and part.

    Args:
        path: a table such as ``resources/published_errors.csv``, of any number of pools.
        pool: whose errors.

    Raises:
        UserError: if a column is missing, an error is no fraction, or one is stated twice.
    """
    with readable(path), open(path, encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream, strict=True)
        if absent := [key for key in KEYS if key not in (reader.fieldnames or ())]:
            raise UserError(f"{path}: no column {absent[0]!r}; it needs {', '.join(KEYS)}")
        rows = [(reader.line_num, row) for row in reader if row["pool"] == pool]
    found: dict[str, dict[str, PublishedError]] = {}
    for line, row in rows:
        if None in row or None in row.values():
            raise UserError(f"{path}, line {line}: has not as many cells as the header; mend it")
        parts = found.setdefault(row["model"], {})
        if row["part"] in parts:
            what = f"error of {row['model']!r} on {row['part']!r}"
            raise UserError(f"{path}, line {line}: the {what} is there twice; remove one")
        error = _fraction(row["error"], f"{path}, line {line}")
        parts[row["part"]] = PublishedError(error, row["preprocessing"], row["source"])
    return found


def _fraction(text: str, where: str) -> float:
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = -1.0
    if not 0 <= value <= 1:
        raise UserError(f"{where}: error is {text!r}; it must be a fraction from 0 to 1")
    return value


def usable(published: Published, preprocessing: str) -> dict[str, dict[str, float]]:
    """The errors that may stand in for evaluated ones: those of the pool's own preprocessing.

    Args:
        published: from ``read_published_errors``.
        preprocessing: of the pool.

    Returns:
        The error of each model on each part, as ``evaluation.evaluate_models`` takes it.
    """
    return {
        model: {part: p.error for part, p in parts.items() if p.comparable(preprocessing)}
        for model, parts in published.items()
    }


def compare(
    pool: pd.DataFrame,
    published: Published,
    preprocessing: str,
    taken: Mapping[str, Collection[str]] | None = None,
) -> pd.DataFrame:
    """Published errors beside those evaluated here.

    Args:
        pool: ``pool.csv``, one row per model.
        published: from ``read_published_errors``; what the pool does not have is left out.
        preprocessing: of the pool; empty agrees with any.
        taken: parts of each model that were not evaluated but taken from this very table; there
            is nothing to compare.

    Returns:
        One row per model and part, in the pool's order: ``published`` and ``evaluated`` (fractions,
        the latter NaN without data), ``difference`` (evaluated − published, in points),
        ``comparable`` (whether the preprocessing agrees), ``warn`` (comparable, and more than
        ``LIMIT`` points apart), ``preprocessing`` and ``source`` of the published error.
    """
    import pandas as pd

    columns = [str(name) for name in pool.columns]
    parts = [name.removeprefix("error_") for name in columns if name.startswith("error_")]
    rows = []
    for _, model in pool.iterrows():
        name = str(model["model"])
        skip = (taken or {}).get(name, ())
        for part in parts:
            stated = published.get(name, {}).get(part)
            if stated is not None and part not in skip:
                rows.append(_compared(name, part, stated, model[f"error_{part}"], preprocessing))
    return pd.DataFrame(rows, columns=COLUMNS)


def _compared(
    model: str, part: str, stated: PublishedError, evaluated: float, preprocessing: str
) -> dict[str, object]:
    # Both are printed with a few digits only, so the last bits of the difference mean nothing.
    difference = round(100 * (evaluated - stated.error), 6) + 0.0  # never -0
    comparable = stated.comparable(preprocessing)
    return {
        "model": model,
        "part": part,
        "published": stated.error,
        "evaluated": evaluated,
        "difference": difference,
        "comparable": comparable,
        "warn": comparable and abs(difference) > LIMIT,
        "preprocessing": stated.preprocessing,
        "source": stated.source,
    }


def write_compared(path: str | Path, frame: pd.DataFrame) -> None:
    """Write ``published.csv``, the same bytes for the same values."""
    write_text(path, frame.to_csv(index=False, float_format="%.9g", lineterminator="\n"))
