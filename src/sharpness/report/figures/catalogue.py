"""The catalogue of figures: what each panel shows, as data rather than code.

A figure is a grid. What its panels have in common stands under ``panels``; each entry of ``rows``
and of ``columns`` adds to it. Either may be "every radius", "every m" or "every steps" instead:
then there is one for each value that the pool was measured at; an entry with ``radius: every``
stands for as many entries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, field_validator, model_validator

from sharpness.io.errors import UserError
from sharpness.io.files import read_yaml
from sharpness.io.validation import Closed, OneOf, checked
from sharpness.measures.definition import ALL, PROTOCOLS

COMPARED = ("Sharpness (original)", "Sharpness (augmented)")
"""The labels in a figure that compares the two kinds of data."""

PARTS = {
    "train": "Training",
    "test": "Test",
    "corrupted": "OOD",
    "corrupted_whole": "OOD (whole)",
    "heldout": "Held-out",
    "v2": "ImageNet-V2",
    "r": "ImageNet-R",
    "sketch": "ImageNet-Sketch",
    "a": "ImageNet-A",
    "objectnet": "ObjectNet",
    "lexical": "HANS lexical",
    "subsequence": "HANS subsequence",
    "constituent": "HANS constituent",
}
"""The part that a data set plays in a pool, and the words for it."""

OF_A_PART = {"error": "Error (%)", "gap": "Gap (%)"}
"""Quantities of whichever part the panel names; its row or column says which that is."""

LABELS = {
    "sharpness": "Sharpness",
    "sharpness_augmented": COMPARED[1],
    **{f"error_{part}": f"{name} error (%)" for part, name in PARTS.items()},
    **{f"gap_{part}": f"{name} gap (%)" for part, name in PARTS.items() if part != "train"},
    "gap": "Generalization gap (%)",
    "learning_rate": "Learning rate",
}
"""Everything an axis can show by its own name."""


@dataclass(frozen=True)
class Axis:
    """One axis of a panel.

    Attributes:
        column: of pool.csv.
        label: what is printed beside the axis.
        factor: what the column is multiplied by.
        name: what the quantity is called where the axis label alone does not tell.
    """

    column: str
    label: str
    factor: float
    name: str


def factor_of(label: str) -> float:
    """What a column is multiplied by to be shown under a label: errors are shown in percent."""
    return 100.0 if label.endswith("(%)") else 1.0


def column_axis(quantity: str, part: str | None) -> Axis:
    """The axis that shows a column of pool.csv other than a sharpness.

    Args:
        quantity: such as ``error_test``, or ``error`` of the part.
        part: such as ``test``.
    """
    whole = f"{quantity}_{part}" if quantity in OF_A_PART and part else quantity
    label = OF_A_PART[quantity] if whole != quantity else LABELS[whole]
    # The gap of the test data has no suffix in pool.csv.
    column = "gap" if whole == "gap_test" else whole
    return Axis(column, label, factor_of(label), LABELS[whole].removesuffix(" (%)"))


def sharpness_axis(column: str, label: str) -> Axis:
    """The axis that shows a cell."""
    return Axis(column, label, 1.0, label)


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _coding(value: Any) -> Any:
    return value if isinstance(value, dict | BaseModel) else {"columns": value}


Names = Annotated[tuple[str, ...], BeforeValidator(_several)]
"""One name, or a list of names."""

Quantity = Annotated[str, OneOf(LABELS | OF_A_PART)]
"""What an axis shows: sharpness on the original or the augmented data, or a column of pool.csv."""

Part = Annotated[str, OneOf(PARTS)]


class Coding(Closed):
    """Columns of pool.csv that colours, markers or sizes stand for.

    Attributes:
        columns: their combinations tell the points apart.
        label: what the legend calls them.
        values: what the legend calls their values, in order; by default as found and sorted.
        scale: for a number that colours show from light to dark; None for a handful of values.
    """

    columns: Names
    label: str = ""
    values: dict[str, str] = Field(default={})
    scale: Literal["linear", "log"] | None = None


AnyCoding = Annotated[Coding, BeforeValidator(_coding)]
"""A coding, or its columns alone."""


class Panel(Closed):
    """What a panel shows, or the part of it that a row or a column sets.

    Attributes:
        label: what the row or the column is called.
        pool: whose models are the points; several pools share a panel and its τ.
        definition: id of the sharpness.
        radius: ρ; "every" stands for each that was measured.
        m: examples per batch; None is the pool's own.
        steps: Auto-PGD iterations; None is the pool's own.
        x: quantity on the horizontal axis.
        y: quantity on the vertical axis.
        part: whose ``error`` or ``gap`` an axis shows, such as ``v2``.
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
        """This panel with whatever the other one sets."""
        return self.model_copy(update=other.model_dump(exclude_none=True))


def check_part(panel: Panel) -> None:
    """Whether the axes and the part of a whole panel fit each other.

    Raises:
        ValueError: if they do not.
    """
    bare = [quantity for quantity in (panel.x, panel.y) if quantity in OF_A_PART]
    if "error" in bare and panel.part is None:
        raise ValueError("a panel lacks 'part', whose error it shows")
    if panel.part is not None and not bare:
        raise ValueError(f"part {panel.part!r} has no use: no axis shows 'error' or 'gap'")
    for quantity in bare:
        if panel.part is not None and f"{quantity}_{panel.part}" not in LABELS:
            raise ValueError(f"part {panel.part!r} has no {quantity}")


Every = Literal["every radius", "every m", "every steps"]


class Figure(Closed):
    """One entry of the catalogue.

    Attributes:
        id: name of its files and of its target, such as ``fig38``.
        title: printed above the panels.
        caption: what it shows and how to read it.
        protocol: which measurement, "paper" or "released".
        colour: what the points' colours stand for; their markers too, unless ``marker`` is set.
        marker: what their markers stand for.
        size: what their sizes stand for, from small to large.
        panels: what all panels have in common.
        rows: what each row adds, from top to bottom.
        columns: what each column adds, from left to right.
    """

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    title: str
    caption: str
    protocol: Annotated[str, OneOf(PROTOCOLS)] = "paper"
    colour: AnyCoding = Coding(columns=("augment", "mixup"))
    marker: AnyCoding | None = None
    size: AnyCoding | None = None
    panels: Panel = Panel(x="sharpness")
    rows: tuple[Panel, ...] | Every
    columns: tuple[Panel, ...] | Every

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
            check_part(panel)
        return self

    @property
    def number(self) -> str:
        """The paper's number, such as ``38``; the id itself where it has none."""
        return self.id.removeprefix("fig")

    @property
    def pools(self) -> tuple[str, ...]:
        """The pools whose ``pool.csv`` the figure reads."""
        return tuple(sorted({name for panel in self._written() for name in panel.pool or ()}))

    def _written(self) -> Iterator[Panel]:
        """Every panel as far as the catalogue determines it."""
        for row in (Panel(),) if isinstance(self.rows, str) else self.rows:
            for column in (Panel(),) if isinstance(self.columns, str) else self.columns:
                yield self.panels.with_(row).with_(column)


def load_catalogue(path: str | Path) -> dict[str, Figure]:
    """The figures of a catalogue by id, in its order.

    Raises:
        UserError: if the file is no catalogue; names the figure and the key.
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
