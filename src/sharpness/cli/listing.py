"""``sharpness list``: what there is."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sharpness.data.registry import REGISTRY, SOURCES
from sharpness.measures.definition import IN_ORDER, PAPER
from sharpness.measures.registry import SHARPNESS, measures
from sharpness.sources.grammar import DATA_SCHEMES, KNOWN_DATA, MODEL_SCHEMES


class Kind(StrEnum):
    """What can be listed."""

    DEFINITIONS = "definitions"
    MEASURES = "measures"
    MODELS = "models"
    DATA = "data"
    POOLS = "pools"


def list_things(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
) -> None:
    """List definitions, measures, schemes of models, data sets, or pools of config.yaml."""
    Console().print(_TABLES[kind]())


def _table(*columns: str) -> Table:
    table = Table(*columns, box=None, pad_edge=False)
    for column in table.columns[:1]:
        column.no_wrap = True
    return table


def _definitions() -> Table:
    table = _table("definition", "what", "in App. H.4")
    for definition in IN_ORDER:
        logits = "normalized logits" if definition.logit_norm else "logits"
        what = f"{definition.title}, {logits}"
        table.add_row(definition.id, what, "yes" if definition in PAPER else "no")
    return table


def _measures() -> Table:
    table = _table("measure", "options", "what", "passes", "needs")
    for name, measure in measures().items():
        own = measure is SHARPNESS
        words = dict.fromkeys("+".join(measure.variants).split("+"))
        options = "a definition" if own else " ".join(filter(None, words))
        word = f"{name}@radius" if measure.radius else name
        table.add_row(word, options, measure.title, str(measure.passes), ", ".join(measure.needs))
    return table


def _models() -> Table:
    table = _table("scheme", "form")
    for scheme, form in MODEL_SCHEMES.items():
        table.add_row(scheme, escape(form))
    return table


def _data() -> Table:
    table = _table("data", "what")
    for form in DATA_SCHEMES.values():
        name, _, what = form.partition(", ")
        table.add_row(name, what)
    for name in KNOWN_DATA:
        source = SOURCES.get(REGISTRY[name].source or "")
        hand = "; in a pool alone, and got by hand" if source and not source.published else ""
        table.add_row(name, f"{REGISTRY[name].title}{hand}")
    return table


def _pools() -> Table:
    from sharpness.cli.configuration import settings_of

    table = _table("pool", "models", "kind", "title")
    for name, pool in settings_of([], Path("config.yaml")).pools.items():
        table.add_row(name, str(len(pool.models)), pool.kind, pool.title)
    return table


_TABLES = {
    Kind.DEFINITIONS: _definitions,
    Kind.MEASURES: _measures,
    Kind.MODELS: _models,
    Kind.DATA: _data,
    Kind.POOLS: _pools,
}
