"""The catalogue of figures: what each panel shows, as data rather than code.

A figure is a grid. What its panels have in common stands under ``panels``; each entry of ``rows``
and of ``columns`` adds to it. Either may be "every radius", "every m" or "every steps" instead:
then there is one for each value that the pool was measured at; an entry with ``radius: every``
stands for as many entries.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from sharpness.definition import PROTOCOLS
from sharpness.figures.entries import AnyCoding, Coding, Panel, check_part
from sharpness.problem import Problem
from sharpness.validation import Closed, OneOf, checked
from sharpness.yamlfile import read_yaml

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
        Problem: if the file is no catalogue; names the figure and the key.
    """
    entries = read_yaml(path)
    if not isinstance(entries, list):
        raise Problem(f"{path}: not a list of figures")
    figures: dict[str, Figure] = {}
    for place, entry in enumerate(entries, start=1):
        name = f"entry {place}"
        if isinstance(entry, dict) and isinstance(entry.get("id"), str):
            name = entry["id"]
        figure = checked(Figure, entry, f"{path}: {name}")
        if figure.id in figures:
            raise Problem(f"{path}: {name}: the id is used twice")
        figures[figure.id] = figure
    return figures
