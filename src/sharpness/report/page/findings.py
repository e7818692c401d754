"""Exploratory tables of a pool: other measures, convergence, protocols, and a grid of models."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sharpness.measures.definition import Cell
from sharpness.report.tables.writers import format_ceiling
from sharpness.report.verdict import describe, describe_measure, target_title
from sharpness.statistics.kendall import format_interval, format_tau
from sharpness.statistics.protocols import ONE, OPPOSITE, SAME


@dataclass(frozen=True)
class SmallTable:
    """A table of the page: its name, caption, headings, and rows of texts."""

    name: str
    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


NAMES = ("measures", "convergence", "protocols", "grid")
"""Names of the tables' files, without the suffix, in the order of the page."""


def small_tables(findings: Mapping[str, pd.DataFrame]) -> list[SmallTable]:
    """Return the tables of a pool that have rows; a pool that is no grid has no such table.

    ``findings`` holds the contents of the pool's files by their `NAMES`.
    """
    made = dict(zip(NAMES, (_measures, _convergence, _protocols, _grid), strict=True))
    known = {name: frame.dropna(subset="cell") for name, frame in findings.items()}
    return [make(known[name]) for name, make in made.items() if len(known.get(name, ()))]


def _measures(found: pd.DataFrame) -> SmallTable:
    targets = [target_title(name) for name in found["target"].unique()]
    return SmallTable(
        "Measures",
        "Measures beside the headline ones (exploratory): τ with its interval; p, adjusted for "
        f"all {found['cell'].nunique()} measures by {found['draws'].iloc[0]:,} permutations; "
        "and the ceiling, the largest |τ| that the noise between batches allows",
        ("Measure", *(name for t in targets for name in (f"τ, {t}", "p")), "ceiling", "n"),
        tuple(
            (
                describe_measure(str(word)),
                *(text for row in rows.to_dict("records") for text in _coefficient(row)),
                _ceiling(rows),
                str(rows["models"].iloc[0]),
            )
            for word, rows in found.groupby("cell", sort=False)
        ),
    )


def _coefficient(row: Mapping[Hashable, Any]) -> tuple[str, str]:
    """Return τ with its interval, or why there is none, and p."""
    if row["status"] != "ok":
        return str(row["reason"]), "–"
    return format_interval(row), f"{row['p']:.2g}"


def _ceiling(rows: pd.DataFrame) -> str:
    """Return the ceiling of a measure, "–" where it has no batches."""
    known = rows["ceiling"].dropna()
    return format_ceiling(known.iloc[0], rows["tau"].abs().max()) if len(known) else "–"


def _convergence(found: pd.DataFrame) -> SmallTable:
    last = found.groupby(["kind", "cell"])["tau"].transform("last")
    found = found.assign(change=(found["tau"] - last).abs())
    rows = [
        (
            f"{kind}: {amount}",
            str(len(group)),
            _median(group["tau"]),
            _median(group["change"]),
            _median(group["rank"]),
        )
        for (kind, amount), group in found.groupby(["kind", "amount"])
    ]
    return SmallTable(
        "Convergence",
        "τ with the test error by fewer Auto-PGD steps, draws (samples) and batches, and how "
        "the ranks agree with those by the most (medians over cells; exploratory)",
        ("Measured by", "cells", "τ", "|change of τ|", "τ with the most"),
        tuple(rows),
    )


def _protocols(found: pd.DataFrame) -> SmallTable:
    first, second = found[["first", "second"]].iloc[0]
    return SmallTable(
        "Protocols",
        f"Protocols “{first}” and “{second}”, cell by cell: medians over cells, and for how many "
        "the interval of τ lies on the same side of zero by both (or around it by both), on one "
        "side by one protocol only, on opposite sides",
        (
            *("Rank correlation with", "cells", f"τ, {first}", f"τ, {second}"),
            *("τ between protocols", SAME, ONE, OPPOSITE),
            *(f"verdict, {name}" for name in (first, second)),
        ),
        tuple(_protocol_rows(found)),
    )


def _protocol_rows(found: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    for target, rows in found.groupby("target", sort=False):
        if str(target).partition("_")[0] == "gap":
            continue
        verdicts = rows[["first_verdict", "second_verdict"]].fillna("").iloc[0]
        yield (
            target_title(str(target)),
            str(len(rows)),
            *(_median(rows[name]) for name in ("first_tau", "second_tau", "rank")),
            *(str((rows["conclusions"] == kind).sum()) for kind in (SAME, ONE, OPPOSITE)),
            *(verdict or "exploratory" for verdict in verdicts),
        )


def _grid(found: pd.DataFrame) -> SmallTable:
    counts = (
        f"{found[name].iloc[0]:.0f} {name}" for name in ("settings", "groups", "environments")
    )
    columns = ["tau", "psi", "psi_p", "sign_error", "worst", "worst_p"]
    columns += ["information", "information_p"]
    return SmallTable(
        "Grid",
        "Where one hyper-parameter alone differs (test error; exploratory). Ψ: mean τ; sign error: "
        "share of wrong signs in an environment, a step of one hyper-parameter; K: information "
        "given any two hyper-parameters, blind to the sign. Each p is adjusted for all rows by "
        f"permutations. {', '.join(counts)}",
        ("Sharpness", "τ", "Ψ", "p", "mean sign error", "worst", "p", "K", "p"),
        tuple(
            (describe(Cell.parse(row["cell"])), *(_number(row[name]) for name in columns))
            for row in found.to_dict("records")
        ),
    )


def _number(value: float) -> str:
    return "–" if math.isnan(value) else format_tau(value)


def _median(values: pd.Series) -> str:
    return format_tau(values.median()) if values.notna().any() else "–"
