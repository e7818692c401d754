"""The heat map of a pool: τ of every main cell with every error, as one HTML table.

Definitions are the rows. Definitions with the same radii make a block, below a row that names the
radii; the columns are the errors and, within each, the radii in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd

from sharpness.measures.definition import Cell, Definition
from sharpness.report.shades import shade
from sharpness.report.tables import LAYOUTS
from sharpness.report.verdict import definition_title, target_title
from sharpness.statistics.correlation import format_radius, target_columns
from sharpness.statistics.headline import main_cells
from sharpness.statistics.kendall import format_tau
from sharpness.statistics.permutation import SIGNIFICANT


@dataclass(frozen=True)
class Entry:
    """One coefficient of a heat map.

    Attributes:
        link: to the explorer, a fragment of the page.
        tau: as it is printed; "–" where undefined.
        shade: CSS class.
        sure: whether the adjusted p is below .05.
        title: interval and adjusted p in words, or why there is no coefficient.
        published: the published value as it is printed, or empty.
        outside: whether it lies outside our interval.
    """

    link: str
    tau: str
    shade: str
    sure: bool
    title: str
    published: str = ""
    outside: bool = False


@dataclass(frozen=True)
class Block:
    """Definitions with the same radii: their entries by title, None where there is no cell."""

    radii: list[str]
    rows: dict[str, list[Entry | None]]


@dataclass(frozen=True)
class HeatMap:
    """The heat map of a pool: its errors, the largest number of radii, and its blocks."""

    errors: list[str]
    span: int
    blocks: list[Block]


def explorer_link(pool: str, cell: str, target: str) -> str:
    """Return the fragment of the page's address that shows a cell and target in the explorer."""
    return "#" + urlencode({"pool": pool, "cell": cell, "target": target})


def heat_map(
    name: str,
    correlations: pd.DataFrame,
    families: pd.DataFrame,
    errors: Iterable[str],
    published: Mapping[tuple[str, str], float],
) -> HeatMap:
    """Return the heat map of the pool ``name``.

    Args:
        name: of the pool, for the links.
        correlations: the contents of ``correlations.csv``.
        families: the contents of ``families.csv``, with the adjusted p-values.
        errors: the targets to show.
        published: published τ by definition at radius (``worst-l2-...@0.001``) and target.
    """
    overall = correlations[correlations["subgroup"] == "all"].to_dict("records")
    found = {(str(row["cell"]), str(row["target"])): row for row in overall}
    p = families.set_index(["cell", "target"])["p"].to_dict()
    errors = [name for name in errors if name in {target for _, target in found}]
    cells = [Cell.parse(word) for word in main_cells(dict.fromkeys(cell for cell, _ in found))]
    radii: dict[Definition, list[float]] = {}
    for cell in cells:
        radii.setdefault(cell.definition, []).append(cell.radius)
    by_place = {(cell.definition, cell.radius): cell.id for cell in cells}
    span = max(map(len, radii.values()), default=0)

    def entry(definition: Definition, radius: float | None, target: str) -> Entry | None:
        if radius is None:
            return None
        cell = by_place[definition, radius]
        printed = published.get((cell.partition("+")[0], target), np.nan)
        link = explorer_link(name, cell, target)
        return _entry(found[cell, target], link, p.get((cell, target)), printed)

    blocks: dict[tuple[float, ...], Block] = {}
    for definition, measured in radii.items():
        padded = [*sorted(measured), *[None] * (span - len(measured))]
        words = ["" if radius is None else format_radius(radius) for radius in padded]
        block = blocks.setdefault(tuple(sorted(measured)), Block(words, {}))
        row = [entry(definition, r, target) for target in errors for r in padded]
        block.rows[definition_title(definition)] = row
    return HeatMap([target_title(target) for target in errors], span, [*blocks.values()])


def _entry(row: Mapping[Any, Any], link: str, p: float | None, printed: float) -> Entry:
    if row["status"] != "ok":
        return Entry(link, "–", "", False, str(row["reason"]), _printed(printed))
    low, high = row["low"], row["high"]
    adjusted = "exploratory" if p is None or np.isnan(p) else f"adjusted p = {p:.2g}"
    return Entry(
        link,
        format_tau(row["tau"]),
        shade(row["tau"]),
        bool(p is not None and p < SIGNIFICANT),
        f"95 % interval {format_tau(low)} to {format_tau(high)}, {adjusted}, n = {row['models']}",
        _printed(printed),
        bool(np.isfinite(printed) and not low <= printed <= high),
    )


def _printed(tau: float) -> str:
    return "" if np.isnan(tau) else format_tau(tau)


def errors_of(pool: pd.DataFrame) -> list[str]:
    """Return the errors of a pool, which its heat map shows; some are in no family."""
    return [name for name in target_columns(pool) if name.startswith("error_")]


def published_of(pool: str, published: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Return the published τ of a pool by definition at radius and target.

    ``published`` has the contents of ``paper_taus.csv``.
    """
    rows = published[published["family"] == pool].to_dict("records")
    target = {
        (number, dataset): name
        for number, layout in LAYOUTS.items()
        for name, (_, dataset) in layout.columns.items()
    }
    return {
        (f"{row['definition']}@{row['radius']:.12g}", target[row["table"], row["dataset"]]): row[
            "tau"
        ]
        for row in rows
    }
