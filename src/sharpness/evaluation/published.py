"""Published error rates, and their differences from the evaluated ones.

Needs no torch; reading the published errors needs no pandas.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sharpness.checkpoints.table import fraction
from sharpness.io.errors import UserError, reading
from sharpness.io.files import read_rows

if TYPE_CHECKING:
    import pandas as pd

LIMIT = 0.3
"""Largest difference from the published error without a warning, in percentage points."""

KEYS = ("pool", "model", "part", "error", "preprocessing", "source")
COLUMNS = ["model", "part", "published", "evaluated", "difference", "comparable", "warn"]
COLUMNS += ["preprocessing", "source", "reason"]
FACT_COLUMNS = ["fact", "published", "errors", "found", "difference", "warn", "source", "reason"]


@dataclass(frozen=True)
class PublishedError:
    """One published error rate, a fraction, with its source.

    ``preprocessing`` is that of the inputs; empty if any preprocessing gives this error.
    """

    error: float
    preprocessing: str
    source: str

    def comparable(self, preprocessing: str) -> bool:
        """Return whether inputs with this preprocessing should give this error."""
        return not self.preprocessing or not preprocessing or self.preprocessing == preprocessing


Published = Mapping[str, Mapping[str, PublishedError]]
"""By model, then by part."""


def read_published_errors(path: str | Path, pool: str) -> dict[str, dict[str, PublishedError]]:
    """Read the published errors of a pool's models, by model and part.

    ``path`` is a table of any number of pools, such as ``resources/published_errors.csv``.

    Raises:
        UserError: if a column is missing, an error is no fraction, or one is stated twice.
    """
    header, lines = read_rows(path)
    if absent := [key for key in KEYS if key not in header]:
        raise UserError(f"{path}: no column {absent[0]!r}; it needs {', '.join(KEYS)}")
    rows = [dict(zip(header, cells, strict=True)) for cells in lines]
    found: dict[str, dict[str, PublishedError]] = {}
    for line, row in enumerate(rows, start=2):
        if row["pool"] != pool:
            continue
        parts = found.setdefault(row["model"], {})
        if row["part"] in parts:
            what = f"error of {row['model']!r} on {row['part']!r}"
            raise UserError(f"{path}, line {line}: the {what} is there twice; remove one")
        error = fraction(row["error"], f"{path}, line {line}: error")
        parts[row["part"]] = PublishedError(error, row["preprocessing"], row["source"])
    return found


def errors_for_preprocessing(
    published: Published, preprocessing: str
) -> dict[str, dict[str, float]]:
    """Return the errors for the pool's preprocessing, which may replace evaluated ones."""
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
    """Compare published errors with those evaluated here.

    ``pool`` is the table ``pool.csv``. Published errors of other models and parts are ignored, and
    those in ``taken``, by model, because the pool took them from ``published``. Empty
    ``preprocessing`` of the pool agrees with any.

    Returns:
        One row per model and part, in the pool's order: ``published`` and ``evaluated`` (fractions,
        the latter NaN without data), ``difference`` (evaluated − published, in points),
        ``comparable`` (whether the preprocessing agrees), ``warn`` (comparable, and more than
        ``LIMIT`` points apart), ``preprocessing`` and ``source`` of the published error, and
        ``reason`` ("not compared: …", empty if they are).
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
    # Both errors have few digits, so the last bits of the difference mean nothing.
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
        "reason": _reason(comparable, evaluated),
    }


NOT = "not compared: "
"""Beginning of the reason why a published value is not compared."""


def _reason(comparable: bool, evaluated: float) -> str:
    if math.isnan(evaluated):
        return f"{NOT}not evaluated here"
    return "" if comparable else f"{NOT}for another preparation of the data"


def not_compared(
    model: str, part: str, evaluated: float, why: str, preprocessing: str, source: str
) -> dict[str, object]:
    """Return the row of `compare` for an error that its publishers do not state."""
    missing = PublishedError(math.nan, preprocessing, source)
    row = _compared(model, part, missing, evaluated, preprocessing)
    return {**row, "comparable": False, "reason": f"{NOT}{source}: {why}"}


NEARLY_ALL = 0.95
"""A test error above this counts as close to 100 %."""

SENTENCES = ("pool", "fact", "published", "models", "source")
_FACTS: dict[str, Callable[[pd.Series], float]] = {
    "lowest test error": lambda errors: float(errors.min()),
    "highest test error": lambda errors: float(errors.max()),
    "models with a test error close to 100 %": lambda errors: int((errors > NEARLY_ALL).sum()),
}
"""What a paper says about the test errors of a pool, as a function of them."""


def read_facts(path: str | Path, pool: str) -> list[dict[str, Any]]:
    """Read what the paper says about a pool's errors, from ``resources/published_facts.csv``.

    Raises:
        UserError: if a column is missing, or a fact or its value is none.
    """
    found: list[dict[str, Any]] = []
    with reading(path), open(path, encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, strict=True)
        if absent := [key for key in SENTENCES if key not in (reader.fieldnames or ())]:
            raise UserError(f"{path}: no column {absent[0]!r}; it needs {', '.join(SENTENCES)}")
        for row in reader:
            if row["fact"] not in _FACTS:
                raise UserError(f"{path}: {row['fact']!r} is none of {', '.join(_FACTS)}")
            if row["pool"] == pool:
                try:
                    numbers = {"published": float(row["published"]), "models": int(row["models"])}
                except ValueError as error:
                    raise UserError(f"{path}, line {reader.line_num}: {error}") from None
                found.append({**row, **numbers})
    return found


def compare_facts(
    facts: Sequence[Mapping[str, Any]], errors: Mapping[str, pd.Series], standins: bool
) -> pd.DataFrame:
    """Compare what the paper says about a pool's test errors with the errors of its models.

    ``facts`` come from `read_facts`; ``errors`` holds test errors, with the name of their origin.

    Returns:
        One row per fact and origin: ``fact``, ``published``, ``errors`` (the origin), ``found``,
        ``difference`` (in points for errors), ``warn``, ``source`` and ``reason``, as `compare`.
    """
    import pandas as pd

    rows = []
    for fact, (origin, values) in product(facts, errors.items()):
        known = values.dropna()
        found = _FACTS[fact["fact"]](known) if len(known) else math.nan
        factor, limit = (1, 0.0) if fact["fact"].startswith("models") else (100, LIMIT)
        reason = ""
        if standins:
            reason = f"{NOT}stand-ins"
        elif len(known) < fact["models"]:
            reason = f"{NOT}{len(known)} of the paper's {fact['models']} models"
        difference = round(factor * (found - fact["published"]), 6) + 0.0
        rows.append(
            {
                "fact": fact["fact"],
                "published": fact["published"],
                "errors": origin,
                "found": found,
                "difference": difference,
                "warn": not reason and abs(difference) > limit,
                "source": fact["source"],
                "reason": reason,
            }
        )
    return pd.DataFrame(rows, columns=FACT_COLUMNS)
