"""Tables 1 to 4: what this run found beside what Andriushchenko et al. (2023) printed.

A table has a section for each of its pools, with one row per definition and radius, whether
measured here, printed there, or both, and for each error the computed τ by either protocol and the
published τ.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from sharpness.definition import ALL, PROTOCOLS, Cell, Definition
from sharpness.files import write_text
from sharpness.frames import check_columns
from sharpness.problem import Problem
from sharpness.reading import readable
from sharpness.tables.latex import to_latex
from sharpness.tables.layouts import LAYOUTS, Layout
from sharpness.tables.markdown import to_markdown
from sharpness.tables.parts import PUBLISHED, Column, Entry, Row, Section, Table

_FACTS = ("table", "family", "case", "norm", "adaptive", "logit_norm", "radius", "dataset", "tau")

Place = tuple[Definition, float, str, str]
"""Where a coefficient belongs: definition, radius, target, source."""


def read_published(path: str | Path) -> pd.DataFrame:
    """The printed coefficients: columns table, family, definition, radius, dataset and tau."""
    with readable(path):
        facts = pd.read_csv(path)
    check_columns(facts, path, _FACTS, ("table", "radius", "tau"))
    words = facts[["case", "norm", "adaptive", "logit_norm"]].itertuples(index=False)
    return facts.assign(definition=[Definition(*word).id for word in words])


def build_table(
    number: int,
    pools: Mapping[str, pd.DataFrame],
    published: pd.DataFrame,
    scale_note: str | None = None,
) -> Table:
    """The table of some pools: the union of the cells measured here and those printed there.

    Protocols by which nothing was measured have no columns.

    Args:
        number: the paper's number of the table.
        pools: the contents of ``correlations.csv`` by the pool's name.
        published: as ``read_published`` gives it.
        scale_note: what to say when the scale is not the paper's, such as "mini: scikit-learn
            digits in place of CIFAR-10; not comparable with the published numbers".

    Raises:
        Problem: if the table's number is unknown.
    """
    if number not in LAYOUTS:
        raise Problem(f"table {number} is unknown; one of {', '.join(map(str, LAYOUTS))}")
    layout = LAYOUTS[number]
    computed = {name: _computed(frame, layout) for name, frame in pools.items()}
    measured = {source for entries in computed.values() for *_, source in entries}
    sources = [name for name in PROTOCOLS if name in measured or not measured]
    columns = tuple(
        Column(target, heading, source)
        for target, (heading, _) in layout.columns.items()
        for source in (*sources, PUBLISHED)
    )
    order = {name: place for place, name in enumerate(layout.titles)}
    sections = []
    for name in sorted(pools, key=lambda name: order.get(name, len(order))):
        entries = computed[name] | _printed(number, name, published, layout)
        title = layout.titles.get(name, name if len(pools) > 1 else "")
        rows = _rows(entries, layout, columns)
        sections.append(Section(name, title, rows, layout.notes.get(name, "")))
    return Table(number, layout.errors, scale_note, columns, tuple(sections))


def write_table(
    number: int,
    pools: Mapping[str, pd.DataFrame],
    published: pd.DataFrame,
    out_prefix: str | Path,
    scale_note: str | None = None,
) -> Table:
    """Write ``<out_prefix>.csv``, ``.md`` and ``.tex``; the arguments are ``build_table``'s."""
    table = build_table(number, pools, published, scale_note)
    write_text(f"{out_prefix}.csv", _to_csv(table))
    write_text(f"{out_prefix}.md", to_markdown(table))
    write_text(f"{out_prefix}.tex", to_latex(table))
    return table


def _computed(correlations: pd.DataFrame, layout: Layout) -> dict[Place, Entry]:
    """The coefficients of the main measurement over all models; the ablations have figures."""
    entries = {}
    for row in correlations[correlations["subgroup"] == "all"].to_dict("records"):
        cell = Cell.parse(row["cell"])
        is_base = cell == Cell(cell.definition, cell.radius, cell.protocol)
        if row["target"] not in layout.columns or not is_base:
            continue
        reason = "" if row["status"] == "ok" else row["reason"]
        entry = Entry(row["tau"], row["low"], row["high"], row["models"], reason)
        entries[cell.definition, cell.radius, row["target"], cell.protocol] = entry
    return entries


def _printed(number: int, pool: str, published: pd.DataFrame, layout: Layout) -> dict[Place, Entry]:
    """The coefficients that the paper prints for a pool, or for the only pool of the table."""
    facts = published[published["table"] == number]
    if facts["family"].nunique() > 1:
        facts = facts[facts["family"] == pool]
    target = {dataset: name for name, (_, dataset) in layout.columns.items()}
    return {
        (Definition.parse(f["definition"]), f["radius"], target[f["dataset"]], PUBLISHED): Entry(
            f["tau"]
        )
        for f in facts.to_dict("records")
    }


def _rows(
    entries: Mapping[Place, Entry], layout: Layout, columns: Iterable[Column]
) -> tuple[Row, ...]:
    """One row per definition and radius, in the paper's order."""
    order = {d: place for place, d in enumerate(dict.fromkeys((*layout.definitions, *ALL)))}
    places = {(definition, radius) for definition, radius, *_ in entries}
    return tuple(
        Row(definition, radius, tuple(_entry(entries, definition, radius, c) for c in columns))
        for definition, radius in sorted(places, key=lambda place: (order[place[0]], place[1]))
    )


def _entry(
    entries: Mapping[Place, Entry], definition: Definition, radius: float, column: Column
) -> Entry:
    absent = "not printed in the paper" if column.source == PUBLISHED else "not measured"
    place = (definition, radius, column.target, column.source)
    return entries.get(place, Entry(math.nan, reason=absent))


def _to_csv(table: Table) -> str:
    """One line per row, one number per column; empty where there is none."""
    lines = []
    rows = [(section, row) for section in table.sections for row in section.rows]
    for section, row in rows:
        line: dict[str, object] = {
            "pool": section.pool,
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
