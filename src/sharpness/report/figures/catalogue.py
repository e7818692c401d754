"""The catalogue of figures, which describes each panel as data.

A figure is a grid of panels. Its panels share the settings under ``panels``, and each entry of
``rows`` and ``columns`` adds to them. ``rows`` or ``columns`` may also be "every radius", "every m"
or "every steps": one row or column per measured value. An entry with ``radius: every`` is
repeated for each measured radius.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, field_validator, model_validator

from sharpness.data.parts import PARTS
from sharpness.io.errors import UserError
from sharpness.io.files import read_yaml
from sharpness.io.validation import Closed, OneOf, checked, hint
from sharpness.measures.definition import ALL, PROTOCOLS, Cell, Definition

COMPARED = ("Sharpness (original)", "Sharpness (augmented)")
"""Axis labels in a figure that compares original with augmented data."""

PART_PATTERN = "^[A-Za-z][A-Za-z0-9_]*$"
"""Pattern of the other parts that pools of the user's own may have; their name is their title."""

PART_LABELS = {"error": "Error (%)", "gap": "Gap (%)"}
"""Axis labels of the quantities that refer to the panel's part."""

LABELS = {
    "sharpness": "Sharpness",
    "sharpness_augmented": COMPARED[1],
    **{f"error_{part}": f"{name} error (%)" for part, name in PARTS.items()},
    **{f"gap_{part}": f"{name} gap (%)" for part, name in PARTS.items() if part != "train"},
    "gap": "Generalization gap (%)",
    "learning_rate": "Learning rate",
}
"""Axis labels of all other quantities."""


def label_of(quantity: str) -> str:
    """Return the axis label of a quantity such as ``error_r``; its part may be the user's own."""
    kind, _, part = quantity.partition("_")
    return LABELS.get(quantity, f"{part} {kind} (%)" if kind in PART_LABELS else quantity)


@dataclass(frozen=True)
class Axis:
    """One axis of a panel: a column of ``pool.csv``, its label and its multiplier.

    ``name`` is the name of the quantity in messages.
    """

    column: str
    label: str
    factor: float
    name: str


def factor_of(label: str) -> float:
    """Return the multiplier for an axis label: 100 if it is in percent, else 1."""
    return 100.0 if label.endswith("(%)") else 1.0


def column_axis(quantity: str, part: str | None) -> Axis:
    """Return the axis of a quantity such as ``error_test``, or ``error`` of ``part``."""
    whole = f"{quantity}_{part}" if quantity in PART_LABELS and part else quantity
    label = PART_LABELS[quantity] if whole != quantity else label_of(whole)
    # The gap of the test data has no suffix in pool.csv.
    column = "gap" if whole == "gap_test" else whole
    return Axis(column, label, factor_of(label), label_of(whole).removesuffix(" (%)"))


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _coding(value: Any) -> Any:
    return value if isinstance(value, dict | BaseModel) else {"columns": value}


Names = Annotated[tuple[str, ...], BeforeValidator(_several)]

Quantity = Annotated[str, OneOf(LABELS | PART_LABELS)]
"""Quantity of an axis: a key of `LABELS`, or of `PART_LABELS`."""

Part = Annotated[str, Field(pattern=PART_PATTERN)]


class Coding(Closed):
    """Columns of ``pool.csv`` that colours, markers or sizes of points show.

    Attributes:
        columns: each combination of their values has its own look.
        label: name of the columns in the legend.
        values: names of the values in the legend, in order; by default the sorted values.
        scale: for a number that colours show from light to dark; None for a few discrete values.
    """

    columns: Names
    label: str = ""
    values: dict[str, str] = Field(default={})
    scale: Literal["linear", "log"] | None = None


AnyCoding = Annotated[Coding, BeforeValidator(_coding)]


class Panel(Closed):
    """The settings of a panel, or those that a row or a column sets.

    Attributes:
        label: title of the row or column.
        pool: pools whose models are the points; τ is taken over all of them.
        definition: id of the sharpness definition.
        radius: ρ; "every" means every measured radius.
        m: examples per batch; None means the pool's m.
        steps: Auto-PGD iterations; None means the pool's number.
        x: quantity on the horizontal axis.
        y: quantity on the vertical axis.
        part: part whose ``error`` or ``gap`` an axis shows, such as ``v2``.
    """

    label: str | None = None
    pool: Names | None = None
    definition: Annotated[str, OneOf(d.id for d in ALL)] | None = None
    radius: float | Literal["every"] | None = None
    m: int | None = None
    steps: int | None = None
    x: Quantity | None = None
    y: Quantity | None = None
    part: Part | None = None

    def with_(self, other: Panel) -> Panel:
        """Return a copy of this panel, updated by what the other one sets."""
        return self.model_copy(update=other.model_dump(exclude_none=True))


def check_part(panel: Panel, own: Collection[str]) -> None:
    """Raise ValueError if the part is none of ``PARTS`` and ``own``, or the axes do not fit it."""
    if panel.part is not None and panel.part not in (known := [*PARTS, *own]):
        raise ValueError(f"part {panel.part!r} is unknown; {hint(panel.part, known)}")
    bare = [quantity for quantity in (panel.x, panel.y) if quantity in PART_LABELS]
    if "error" in bare and panel.part is None:
        raise ValueError("a panel lacks 'part', whose error it shows")
    if panel.part is not None and not bare:
        raise ValueError(f"part {panel.part!r} has no use: no axis shows 'error' or 'gap'")
    for quantity in bare:
        if quantity == "gap" and panel.part == "train":
            raise ValueError("part 'train' has no gap")


Every = Literal["every radius", "every m", "every steps"]


class Figure(Closed):
    """One entry of the catalogue.

    Attributes:
        id: name of the figure's files and of its workflow target, such as ``fig38``.
        colour: coding of the points' colours; of their markers too, unless ``marker`` is set.
        marker: coding of the points' markers.
        size: coding of the points' sizes, from small to large.
        within: what the paper says of subgroups, which are the values of ``colour``. If it is not
            empty, each panel shows τ within each of them.
        panels: settings shared by all panels.
        rows: settings that each row adds, from top to bottom.
        columns: settings that each column adds, from left to right.
        parts: those that panels name beside `PARTS`; pools of the user's own have them.
    """

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=140)]
    title: str
    caption: str
    protocol: Annotated[str, OneOf(PROTOCOLS)] = "paper"
    colour: AnyCoding = Coding(columns=("augment", "mixup"))
    marker: AnyCoding | None = None
    size: AnyCoding | None = None
    within: str = ""
    panels: Panel = Panel(x="sharpness")
    rows: tuple[Panel, ...] | Every
    columns: tuple[Panel, ...] | Every
    parts: tuple[str, ...] = ()

    @field_validator("marker", "size")
    @classmethod
    def _few(cls, coding: Coding | None) -> Coding | None:
        if coding is not None and coding.scale:
            raise ValueError("a scale is for colours alone")
        return coding

    @model_validator(mode="after")
    def _complete(self) -> Figure:
        for panel in self._written():
            for key in ("pool", "definition", "x", "y"):
                if not getattr(panel, key):
                    raise ValueError(f"a panel lacks {key!r}; set it in panels, rows or columns")
            if panel.radius is None and "every radius" not in (self.rows, self.columns):
                raise ValueError("a panel lacks 'radius'; set it, or columns: every radius")
            check_part(panel, self.parts)
        return self

    @property
    def number(self) -> str:
        """The paper's number, such as ``38``; the id if the paper has no such figure."""
        return self.id.removeprefix("fig")

    @property
    def name(self) -> str:
        """What the figure is called: ``Figure 38``, or its title if its id has no number."""
        return f"Figure {self.number}" if self.id.startswith("fig") else self.title

    @property
    def pools(self) -> tuple[str, ...]:
        """The pools whose ``pool.csv`` the figure needs."""
        return tuple(sorted({name for panel in self._written() for name in panel.pool or ()}))

    def _written(self) -> Iterator[Panel]:
        """Yield every panel as far as the catalogue determines it."""
        for row in (Panel(),) if isinstance(self.rows, str) else self.rows:
            for column in (Panel(),) if isinstance(self.columns, str) else self.columns:
                yield self.panels.with_(row).with_(column)


def panels_within(figure: Figure, pool: str) -> list[tuple[str, str]]:
    """Return cell and target of each panel that shows τ within the subgroups of a pool."""
    panels = [panel for panel in figure._written() if figure.within and panel.pool == (pool,)]
    return [
        (
            Cell(Definition.parse(str(panel.definition)), panel.radius, figure.protocol).id,
            column_axis(str(panel.y), panel.part).column,
        )
        for panel in panels
        if isinstance(panel.radius, float)
    ]


REAL = re.compile(r"\b(?:ImageNet|ObjectNet|MNLI|HANS)\b")
"""Names, or beginnings of names, of the data sets that the catalogue mentions."""


def as_standin(figure: Figure) -> Figure:
    """Return the entry of a figure of stand-ins, which says so beside the name of each data set."""

    def marked(value: Any) -> Any:
        if isinstance(value, str):
            return REAL.sub(r"stand-in \g<0>", value)
        if isinstance(value, dict):
            kept = ("part", "parts", "pool")
            return {k: inner if k in kept else marked(inner) for k, inner in value.items()}
        return [*map(marked, value)] if isinstance(value, list | tuple) else value

    return Figure.model_validate(marked(figure.model_dump(exclude_none=True)))


def load_catalogue(path: str | Path) -> dict[str, Figure]:
    """Read the figures of a catalogue, by id and in its order.

    Raises:
        UserError: if an entry is invalid; names the figure and the key.
    """
    entries = read_yaml(path)
    if not isinstance(entries, list):
        raise UserError(f"{path}: not a list of figures")
    figures: dict[str, Figure] = {}
    for place, entry in enumerate(entries, start=1):
        name = f"entry {place}"
        if isinstance(entry, dict) and isinstance(entry.get("id"), str):
            name = entry["id"]
        figure = checked(Figure, entry, f"{path}: {name}")
        if figure.id in figures:
            raise UserError(f"{path}: {name}: the id is used twice")
        figures[figure.id] = figure
    return figures
