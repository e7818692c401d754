"""Build Tables 1 to 4: computed τ beside those printed in Andriushchenko et al. (2023).

A table has one section per pool, and one row per definition and radius that was measured here or
printed there. For each error it has a column of each protocol and one of published τ.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd

from sharpness.io.csv_files import check_columns
from sharpness.io.errors import reading
from sharpness.measures.definition import ALL, PROTOCOLS, Case, Cell, Definition
from sharpness.measures.measurement import is_cell
from sharpness.report.tables.writers import PUBLISHED, Column, Row, Section, Table, TableEntry


@dataclass(frozen=True)
class TableLayout:
    """The layout of one table of the paper.

    Attributes:
        errors: the errors shown, in words for the caption.
        columns: for each column of ``pool.csv``, its heading and the name of the data set in
            ``paper_taus.csv``.
        titles: the paper's headings by pool, in its order; a pool without one shows its name,
            unless it is the table's only pool.
        definitions: definitions that are printed first, in this order.
        notes: remarks on the rows, by pool.
        remark: on the table's columns by the protocol "released"; empty if there is none.
    """

    errors: str
    columns: Mapping[str, tuple[str, str]]
    titles: Mapping[str, str] = field(default_factory=dict)
    definitions: tuple[Definition, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
    remark: str = ""


_CODE_FOR_CIFAR = (
    "The columns “released” apply the CIFAR-10 code of the paper's authors to models for which "
    "they released no code."
)

_PRETRAINED = tuple(
    Definition(case, "linf", adaptive=True, logit_norm=logit_norm)
    for case in reversed(get_args(Case))
    for logit_norm in (True, False)
)

_CIFAR = TableLayout(
    "error",
    {"error_test": ("Test error", "cifar10"), "error_corrupted": ("OOD error", "cifar10-c")},
)

LAYOUTS = {
    1: TableLayout(
        "error on ImageNet (IN), ImageNet-V2 (IN-v2), ImageNet-R (IN-R) and ImageNet-Sketch "
        "(IN-Sketch)",
        {
            "error_test": ("IN", "imagenet"),
            "error_v2": ("IN-v2", "imagenet-v2"),
            "error_r": ("IN-R", "imagenet-r"),
            "error_sketch": ("IN-Sketch", "imagenet-sketch"),
        },
        {
            "augreg-i1k": "ImageNet-1k models trained from scratch",
            "augreg-i21k": "ImageNet-1k models fine-tuned from IN-21k",
            "clip-soups": "ImageNet-1k models fine-tuned from CLIP",
        },
        _PRETRAINED,
        {
            "clip-soups": (
                "The paper prints average-case radii of 0.001, 0.002 and 0.004 for these models, "
                "but the caption of its Figure 20 gives ρ = 0.1: the two contradict each other. "
                "Rows at other radii have no published value."
            )
        },
        _CODE_FOR_CIFAR,
    ),
    2: TableLayout(
        "error on MNLI and on the parts of HANS that contradict the heuristic: lexical overlap "
        "(HANS-L), subsequence (HANS-S) and constituent (HANS-C)",
        {
            "error_test": ("MNLI", "mnli"),
            "error_lexical": ("HANS-L", "hans-lexical"),
            "error_subsequence": ("HANS-S", "hans-subsequence"),
            "error_constituent": ("HANS-C", "hans-constituent"),
        },
        {"feather-berts": "MNLI models fine-tuned from BERT"},
        _PRETRAINED,
        remark=_CODE_FOR_CIFAR,
    ),
    3: _CIFAR,
    4: _CIFAR,
}
"""Layouts by the paper's number of the table."""


_FACTS = ("table", "family", "case", "norm", "adaptive", "logit_norm", "radius", "dataset", "tau")

Place = tuple[Definition, float, str, str]
"""Key of a coefficient: definition, radius, target, source."""

_ABSENT = dict.fromkeys(PROTOCOLS, TableEntry(math.nan, reason="not measured"))
_ABSENT |= {PUBLISHED: TableEntry(math.nan, reason="not printed in the paper")}


def read_published_taus(path: str | Path) -> pd.DataFrame:
    """Read the printed τ: one row per table, family, definition (id), radius and dataset."""
    with reading(path):
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
    """Build one table from all cells that were measured here or printed in the paper.

    Protocols without measurements have no columns. ``pools`` holds the contents of each pool's
    ``correlations.csv``; ``published`` comes from `read_published_taus`.
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
    remark = layout.remark if "released" in sources else ""
    return Table(number, layout.errors, scale_note, columns, tuple(sections), remark)


def _computed(correlations: pd.DataFrame, layout: TableLayout) -> dict[Place, TableEntry]:
    """Return the coefficients over all models; ablations are left out, they have figures.

    So are other measures, and cells in the balanced gauge, which the paper has not.
    """
    entries = {}
    cells = correlations[correlations["cell"].map(is_cell).astype(bool)]
    for row in cells[cells["subgroup"] == "all"].to_dict("records"):
        cell = Cell.parse(row["cell"])
        is_base = cell == Cell(cell.definition, cell.radius, cell.protocol)
        if row["target"] not in layout.columns or not is_base or cell.definition.gauge:
            continue
        reason = "" if row["status"] == "ok" else row["reason"]
        ends = row["low"], row["high"]
        noise = row["ceiling"], row["flag"]
        entry = TableEntry(row["tau"], *ends, row["models"], reason, *noise)
        entries[cell.definition, cell.radius, row["target"], cell.protocol] = entry
    return entries


def _printed(
    number: int, pool: str, published: pd.DataFrame, layout: TableLayout
) -> dict[Place, TableEntry]:
    """Return the printed coefficients; ``pool`` matters only in a table of several families."""
    facts = published[published["table"] == number]
    if facts["family"].nunique() > 1:
        facts = facts[facts["family"] == pool]
    target = {dataset: name for name, (_, dataset) in layout.columns.items()}
    return {
        (Definition.parse(id), radius, target[dataset], PUBLISHED): TableEntry(tau)
        for id, radius, dataset, tau in facts[["definition", "radius", "dataset", "tau"]].values
    }


def _rows(
    entries: Mapping[Place, TableEntry], layout: TableLayout, columns: Iterable[Column]
) -> tuple[Row, ...]:
    order = [*dict.fromkeys((*layout.definitions, *ALL))]
    keys = {(definition, radius) for definition, radius, *_ in entries}
    return tuple(
        Row(
            *key, tuple(entries.get((*key, c.target, c.source), _ABSENT[c.source]) for c in columns)
        )
        for key in sorted(keys, key=lambda key: (order.index(key[0]), key[1]))
    )


@dataclass(frozen=True)
class Agreement:
    """Comparison of computed and published coefficients of one pool, error and protocol.

    Attributes:
        section: name of the pool.
        error: heading of the error's columns.
        both: number of rows with a computed and a published coefficient.
        sign: number of those whose signs agree.
        inside: number of published values within the computed interval.
        difference: mean absolute difference; NaN without any row.
    """

    section: str
    error: str
    protocol: str
    both: int
    sign: int
    inside: int
    difference: float


def agreement(table: Table) -> list[Agreement]:
    """Compare a table's coefficients with the published ones by pool, error and protocol."""
    printed = {c.heading: i for i, c in enumerate(table.columns) if c.source == PUBLISHED}
    found = []
    for section, (place, column) in product(table.sections, enumerate(table.columns)):
        if column.source == PUBLISHED:
            continue
        rows = [(r.entries[place], r.entries[printed[column.heading]].tau) for r in section.rows]
        both = [(e, tau) for e, tau in rows if not e.missing and np.isfinite(tau)]
        line = Agreement(
            section.pool,
            column.heading,
            column.source,
            len(both),
            sum(bool(np.sign(e.tau) == np.sign(tau)) for e, tau in both),
            sum(e.low <= tau <= e.high for e, tau in both),
            float(np.mean([abs(e.tau - tau) for e, tau in both])) if both else np.nan,
        )
        found.append(line)
    return found
