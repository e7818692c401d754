"""Tables 1 to 4: what this run found beside what Andriushchenko et al. (2023) printed.

A table has a section for each of its pools, with one row per definition and radius, whether
measured here, printed there, or both, and for each error the computed τ by either protocol and the
published τ.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import pandas as pd

from sharpness.io.csv_files import check_columns
from sharpness.io.errors import readable
from sharpness.measures.definition import ALL, PROTOCOLS, Case, Cell, Definition
from sharpness.report.tables.parts import PUBLISHED, Column, Row, Section, Table, TableEntry


@dataclass(frozen=True)
class TableLayout:
    """One table of the paper.

    Attributes:
        errors: its errors, in words for the caption.
        columns: for each column of ``pool.csv``, its heading in print and the name that the data
            set has in ``paper_taus.csv``.
        titles: the paper's headings by pool, in its order; none in a table of one pool whose name
            says enough.
        definitions: those that are printed first, in their order.
        notes: what the reader of a pool's rows must know.
    """

    errors: str
    columns: Mapping[str, tuple[str, str]]
    titles: Mapping[str, str] = field(default_factory=dict)
    definitions: tuple[Definition, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)


_PRETRAINED = tuple(
    Definition(case, "linf", adaptive=True, logit_norm=logit_norm)
    for case in reversed(get_args(Case))
    for logit_norm in (True, False)
)

_CIFAR = TableLayout(
    "error",
    {
        "error_test": ("Test error", "cifar10"),
        "error_corrupted": ("OOD error", "cifar10-c"),
    },
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
    ),
    3: _CIFAR,
    4: _CIFAR,
}
"""By the paper's number."""


_FACTS = ("table", "family", "case", "norm", "adaptive", "logit_norm", "radius", "dataset", "tau")

Place = tuple[Definition, float, str, str]
"""Where a coefficient belongs: definition, radius, target, source."""

_ABSENT = dict.fromkeys(PROTOCOLS, TableEntry(math.nan, reason="not measured"))
_ABSENT |= {PUBLISHED: TableEntry(math.nan, reason="not printed in the paper")}


def read_published_taus(path: str | Path) -> pd.DataFrame:
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
        published: as ``read_published_taus`` gives it.
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


def _computed(correlations: pd.DataFrame, layout: TableLayout) -> dict[Place, TableEntry]:
    """The coefficients of the main measurement over all models; the ablations have figures."""
    entries = {}
    for row in correlations[correlations["subgroup"] == "all"].to_dict("records"):
        cell = Cell.parse(row["cell"])
        is_base = cell == Cell(cell.definition, cell.radius, cell.protocol)
        if row["target"] not in layout.columns or not is_base:
            continue
        reason = "" if row["status"] == "ok" else row["reason"]
        entry = TableEntry(row["tau"], row["low"], row["high"], row["models"], reason)
        entries[cell.definition, cell.radius, row["target"], cell.protocol] = entry
    return entries


def _printed(
    number: int, pool: str, published: pd.DataFrame, layout: TableLayout
) -> dict[Place, TableEntry]:
    """The coefficients that the paper prints for a pool, or for the only pool of the table."""
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
