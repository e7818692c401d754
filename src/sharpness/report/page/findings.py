"""Small tables of a pool: convergence of its measures, and whether conclusions need a protocol."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from sharpness.measures.definition import Cell
from sharpness.report.verdict import describe, target_title
from sharpness.statistics.kendall import format_tau
from sharpness.statistics.protocols import ONE, OPPOSITE, SAME


@dataclass(frozen=True)
class SmallTable:
    """A table of the page: its caption, headings, and rows of texts."""

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def small_tables(findings: Mapping[str, pd.DataFrame]) -> list[SmallTable]:
    """Return the tables of a pool that have rows.

    ``findings`` holds the contents of the pool's ``convergence.csv``, ``protocols.csv`` and
    ``grid.csv`` by their names, without the suffix.
    """
    made = {"convergence": _convergence, "protocols": _protocols, "grid": _grid}
    return [make(findings[name]) for name, make in made.items() if len(findings.get(name, ()))]


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
        "Convergence: τ with the test error by fewer Auto-PGD steps and by fewer batches, and how "
        "the ranks agree with those by the most (medians over cells; exploratory)",
        ("Measured by", "cells", "τ", "|change of τ|", "τ with the most"),
        tuple(rows),
    )


def _protocols(found: pd.DataFrame) -> SmallTable:
    first, second = found[["first", "second"]].iloc[0]
    return SmallTable(
        f"Protocols “{first}” and “{second}”, cell by cell: medians over cells, and for how many "
        "the interval of τ lies on the same side of zero by both (or around it by both), on one "
        "side by one protocol only, on opposite sides",
        (
            *("Rank correlation with", "cells", f"τ, {first}", f"τ, {second}"),
            *(
                "τ between protocols",
                SAME,
                ONE,
                OPPOSITE,
                f"verdict, {first}",
                f"verdict, {second}",
            ),
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
    known = found[found["cell"].notna()]
    said = "" if len(known) else f": {found['reason'].iloc[0]}"
    counts = ""
    if len(known):
        row = known.iloc[0]
        counts = f"; {row['settings']:.0f} settings, {row['groups']:.0f} groups, "
        counts += f"{row['environments']:.0f} environments"
    return SmallTable(
        "Where one hyper-parameter alone differs (test error; exploratory)"
        f"{said}{counts}. Ψ: mean τ; sign error: share of wrong signs, at worst; K: information "
        "beyond any two hyper-parameters, blind to the sign. p: permutations, all cells at once",
        ("Sharpness", "τ", "Ψ", "p", "mean sign error", "worst", "p", "K", "p"),
        tuple(
            (
                describe(Cell.parse(row["cell"])),
                *(_number(row[name]) for name in ("tau", "psi", "psi_p", "sign_error")),
                *(_number(row[name]) for name in ("worst", "worst_p")),
                *(_number(row[name]) for name in ("information", "information_p")),
            )
            for row in known.to_dict("records")
        ),
    )


def _number(value: float) -> str:
    return "–" if math.isnan(value) else format_tau(value)


def _median(values: pd.Series) -> str:
    return format_tau(values.median()) if values.notna().any() else "–"
