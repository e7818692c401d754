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
from sharpness.frames import check_columns
from sharpness.reading import readable
from sharpness.tables.layouts import LAYOUTS, Layout
from sharpness.tables.parts import PUBLISHED, Column, Entry, Row, Section, Table

_FACTS = ("table", "family", "case", "norm", "adaptive", "logit_norm", "radius", "dataset", "tau")

Place = tuple[Definition, float, str, str]
"""Where a coefficient belongs: definition, radius, target, source."""

_ABSENT = dict.fromkeys(PROTOCOLS, Entry(math.nan, reason="not measured"))
_ABSENT |= {PUBLISHED: Entry(math.nan, reason="not printed in the paper")}


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
        scale_note: what to say when the scale is not the paper's.
    """
    layout = LAYOUTS[number]
    computed = {name: _computed(frame, layout) for name, frame in pools.items()}
    measured = {source for entries in computed.values() for *_, source in entries}
    sources = [name for name in PROTOCOLS if name in measured or not measured]
    columns = tuple(
        Column(target, heading, source)
        for target, (heading, _) in layout.columns.items()
        for source in (*sources, PUBLISHED)
    )
    sections = []
    for name in sorted(pools, key=lambda name: [*layout.titles, name].index(name)):
        entries = computed[name] | _printed(number, name, published, layout)
        title = layout.titles.get(name, name if len(pools) > 1 else "")
        rows = _rows(entries, layout, columns)
        sections.append(Section(name, title, rows, layout.notes.get(name, "")))
    return Table(number, layout.errors, scale_note, columns, tuple(sections))


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
        (Definition.parse(id), radius, target[dataset], PUBLISHED): Entry(tau)
        for id, radius, dataset, tau in facts[["definition", "radius", "dataset", "tau"]].values
    }


def _rows(
    entries: Mapping[Place, Entry], layout: Layout, columns: Iterable[Column]
) -> tuple[Row, ...]:
    """One row per definition and radius, in the paper's order."""
    order = [*dict.fromkeys((*layout.definitions, *ALL))]
    places = {(order.index(definition), radius) for definition, radius, *_ in entries}
    return tuple(
        Row(
            order[place],
            radius,
            tuple(
                entries.get((order[place], radius, c.target, c.source), _ABSENT[c.source])
                for c in columns
            ),
        )
        for place, radius in sorted(places)
    )
