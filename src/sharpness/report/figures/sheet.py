"""Standard sheet of a pool of the user's own: a figure for each definition, without a catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sharpness.data.parts import PARTS
from sharpness.measures.definition import Definition
from sharpness.report.figures.catalogue import Coding, Figure, Panel, label_of

MANY = 6
"""A number with more values than these is shown by a scale of colours."""

MOST = 12
"""Words with more values than these are not shown by colours."""


def standard_sheet(
    pool: str,
    title: str,
    definitions: Iterable[str],
    parts: Sequence[str],
    *,
    protocol: str,
    colour: Coding,
    note: str = "",
) -> dict[str, Figure]:
    """Return a figure for each definition: every radius (rows) against each error (columns).

    Args:
        pool: name of the pool.
        title: of the pool, in the titles of the figures.
        definitions: ids of those that are measured.
        parts: all parts; the error of the test data comes first, that of training is left out.
        protocol: of the cells that are shown.
        colour: of the points.
        note: a sentence for the captions, such as that weights are random.
    """
    shown = sorted((part for part in parts if part != "train"), key=lambda part: part != "test")
    caption = "Every radius (one a row) against each error (one a column); a point is a model."
    found = {}
    for definition in map(Definition.parse, definitions):
        logits = "normalized" if definition.logit_norm else "unnormalized"
        found[f"{pool}-{definition.id}"] = Figure(
            id=f"{pool}-{definition.id}",
            title=f"{title}: {definition.title}, {logits} logits",
            caption=f"{caption} {note}".rstrip(),
            protocol=protocol,
            colour=colour,
            panels=Panel(pool=(pool,), definition=definition.id, x="sharpness", y="error"),
            rows="every radius",
            columns=tuple(
                Panel(label=label_of(f"error_{part}").removesuffix(" (%)"), part=part)
                for part in shown
            ),
            parts=tuple(part for part in shown if part not in PARTS),
        )
    return found


def colour_of(parameters: Mapping[str, Sequence[Any]]) -> Coding:
    """Return the coding of the first hyper-parameter that differs between models.

    ``parameters`` holds the values of each, an empty string where there is none. A number with many
    values gets a scale; words with too many are not shown.
    """
    for name, values in parameters.items():
        distinct = {value for value in values if value != ""}
        number = all(isinstance(value, int | float) for value in distinct)
        if len(distinct) < 2 or (not number and len(distinct) > MOST):
            continue
        many = number and len(distinct) > MANY
        return Coding(columns=(name,), label=name, scale="linear" if many else None)
    return Coding(columns=())
