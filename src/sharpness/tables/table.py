"""Tables 3 and 4: what this run found beside what Andriushchenko et al. (2023) printed.

A table has one row per definition and radius, whether measured here, printed there, or both, and
for each kind of error the computed τ by either protocol and the published τ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from sharpness.definition import ALL, PROTOCOLS, Cell, Definition
from sharpness.files import write_text
from sharpness.problem import Problem
from sharpness.tables.formats import to_latex, to_markdown
from sharpness.tables.parts import HEADINGS, PUBLISHED, Column, Entry, Row, Table

LAYOUTS: Mapping[int, Mapping[str, str]] = {
    3: {"error_test": "cifar10", "error_corrupted": "cifar10-c"},
    4: {"error_test": "cifar10", "error_corrupted": "cifar10-c"},
}
"""For each table: columns of ``pool.csv`` and the data sets of ``paper_taus.csv`` they match."""


def read_published(path: str | Path) -> pd.DataFrame:
    """The printed coefficients: columns table, family, definition, radius, dataset and tau."""
    facts = pd.read_csv(path)
    words = facts[["case", "norm", "adaptive", "logit_norm"]].itertuples(index=False)
    return facts.assign(definition=[Definition(*word).id for word in words])


def build_table(
    number: int,
    pool_name: str,
    correlations: pd.DataFrame,
    published: pd.DataFrame,
    scale_note: str | None = None,
) -> Table:
    """The table of one pool: the union of the cells measured here and those printed there.

    Args:
        number: the paper's number of the table.
        pool_name: whose models.
        correlations: the contents of ``correlations.csv``.
        published: as ``read_published`` gives it.
        scale_note: what to say when the scale is not the paper's, such as "mini: scikit-learn
            digits in place of CIFAR-10; not comparable with the published numbers".

    Raises:
        Problem: if the table's number is unknown.
    """
    if number not in LAYOUTS:
        raise Problem(f"table {number} is unknown; one of {', '.join(map(str, LAYOUTS))}")
    layout = LAYOUTS[number]
    columns = tuple(Column(t, source) for t in layout for source in (*PROTOCOLS, PUBLISHED))
    entries = _computed(correlations) | _printed(number, published, layout)
    places = {(definition, radius) for definition, radius, _ in entries}
    rows = tuple(
        Row(definition, radius, tuple(_entry(entries, definition, radius, c) for c in columns))
        for definition, radius in sorted(places, key=lambda place: (ALL.index(place[0]), place[1]))
    )
    return Table(number, pool_name, scale_note, columns, rows)


def write_table(
    number: int,
    pool_name: str,
    correlations: pd.DataFrame,
    published: pd.DataFrame,
    out_prefix: str | Path,
    scale_note: str | None = None,
) -> Table:
    """Write ``<out_prefix>.csv``, ``.md`` and ``.tex``; the arguments are ``build_table``'s."""
    table = build_table(number, pool_name, correlations, published, scale_note)
    write_text(f"{out_prefix}.csv", _to_csv(table))
    write_text(f"{out_prefix}.md", to_markdown(table))
    write_text(f"{out_prefix}.tex", to_latex(table))
    return table


def _computed(
    correlations: pd.DataFrame,
) -> dict[tuple[Definition, float, Column], Entry]:
    """The coefficients of the main measurement over all models; the ablations have figures."""
    entries = {}
    for row in correlations[correlations["subgroup"] == "all"].to_dict("records"):
        cell = Cell.parse(row["cell"])
        is_base = cell == Cell(cell.definition, cell.radius, cell.protocol)
        if row["target"] not in HEADINGS or not is_base:
            continue
        reason = "" if row["status"] == "ok" else row["reason"]
        entry = Entry(row["tau"], row["low"], row["high"], row["models"], reason)
        entries[cell.definition, cell.radius, Column(row["target"], cell.protocol)] = entry
    return entries


def _printed(
    number: int, published: pd.DataFrame, layout: Mapping[str, str]
) -> dict[tuple[Definition, float, Column], Entry]:
    """The coefficients that the paper prints in one table."""
    target = {dataset: name for name, dataset in layout.items()}
    entries = {}
    for row in published[published["table"] == number].to_dict("records"):
        column = Column(target[row["dataset"]], PUBLISHED)
        entries[Definition.parse(row["definition"]), row["radius"], column] = Entry(row["tau"])
    return entries


def _entry(
    entries: Mapping[tuple[Definition, float, Column], Entry],
    definition: Definition,
    radius: float,
    column: Column,
) -> Entry:
    absent = "not printed in the paper" if column.source == PUBLISHED else "not measured"
    return entries.get((definition, radius, column), Entry(math.nan, reason=absent))


def _to_csv(table: Table) -> str:
    """One line per row, one number per column; empty where there is none."""
    lines = []
    for row in table.rows:
        line: dict[str, object] = {
            "definition": row.definition.id,
            "sharpness": row.definition.title,
            "logit_norm": "yes" if row.definition.logit_norm else "no",
            "rho": row.radius,
        }
        for column, entry in zip(table.columns, row.entries, strict=True):
            name = f"{column.target}_{column.source}"
            line[f"{name}_tau"] = entry.tau
            if column.source != PUBLISHED:
                line |= {f"{name}_low": entry.low, f"{name}_high": entry.high}
                line |= {f"{name}_models": entry.models, f"{name}_reason": entry.reason}
        lines.append(line | {"scale": table.note or "paper"})
    frame = pd.DataFrame(lines)
    counts = [name for name in frame.columns if name.endswith("_models")]
    frame = frame.astype(dict.fromkeys(counts, "Int64"))
    return frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")
