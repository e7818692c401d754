"""The tables of τ within subgroups, below the figures that show subgroups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sharpness.measures.definition import Cell
from sharpness.report.page.results import PoolResults
from sharpness.report.verdict import describe, target_title
from sharpness.statistics.kendall import format_tau


def tau_table(figure: str, pools: Mapping[str, PoolResults]) -> dict[str, Any]:
    """Return the table of τ within subgroups of one figure, a row for each panel.

    The keys are ``subgroups``, the columns, and ``rows`` of pool, sharpness, target and
    coefficients, each with its number of models and p-value.
    """
    frames = {name: found.subgroups for name, found in pools.items()}
    shown = {n: f[f["figure"] == figure] for n, f in frames.items() if f is not None}
    columns = list(dict.fromkeys(s for frame in shown.values() for s in frame["subgroup"]))
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    for name, frame in shown.items():
        for row in frame.to_dict("records"):
            key = name, describe(Cell.parse(str(row["cell"]))), target_title(str(row["target"]))
            rows.setdefault(key, {})[str(row["subgroup"])] = _coefficient(row)
    cells = [[*key, *(found.get(c, "–") for c in columns)] for key, found in rows.items()]
    return {"subgroups": columns, "rows": cells}


def _coefficient(row: Mapping[Any, Any]) -> str:
    if row["status"] != "ok":
        return f"– ({row['reason']})"
    return f"{format_tau(row['tau'])} ({row['models']} models, p = {row['p']:.2g})"
