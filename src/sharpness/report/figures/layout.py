"""Lay out a figure's entry as a grid of panels, from the cells that its pools have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from sharpness.io.errors import UserError
from sharpness.measures.definition import Cell, Definition
from sharpness.report.figures.catalogue import COMPARED, LABELS, Axis, Figure, Panel, column_axis
from sharpness.statistics.correlation import cell_columns, format_radius

Defaults = Mapping[str, Mapping[str, int]]
"""For each pool, the m and steps of cells that name neither: ``{"m": 128, ...}``."""

MANY_ROWS = 4
"""A figure of one column and at most this many rows is laid out as a row."""


@dataclass(frozen=True)
class PanelSpec:
    """The pools, heading and axes of one panel."""

    pools: tuple[str, ...]
    heading: str
    x: Axis
    y: Axis


@dataclass(frozen=True)
class Grid:
    """The panels row by row, None where a row has fewer, and the labels of rows and columns."""

    specs: tuple[tuple[PanelSpec | None, ...], ...]
    row_labels: tuple[str, ...]
    column_labels: tuple[str, ...]

    @property
    def aligned(self) -> bool:
        """Whether there are several rows, with the same pools, radius and x axis in each column."""
        across = [
            {None if spec is None else (spec.pools, spec.heading, spec.x) for spec in column}
            for column in zip(*self.specs, strict=True)
        ]
        return len(self.specs) > 1 and all(len(found) == 1 for found in across)


@dataclass(frozen=True)
class _Source:
    """The figure of a panel, the cells of its pools, and the pools' own m and steps."""

    figure: Figure
    cells: tuple[Cell, ...]
    own: Mapping[str, int]


def lay_out(figure: Figure, pools: Mapping[str, pd.DataFrame], defaults: Defaults) -> Grid:
    """Return the grid of a figure; a single column of at most `MANY_ROWS` panels becomes a row.

    Raises:
        UserError: if a pool of the figure is missing.
    """
    if absent := [name for name in figure.pools if name not in pools]:
        raise UserError(f"{figure.id}: pool {absent[0]!r} is not among those at hand")

    def source(panel: Panel) -> _Source:
        names = panel.pool or ()
        found = [Cell.parse(word) for name in names for word in cell_columns(pools[name])]
        own = defaults.get(names[0], {}) if names else {}
        return _Source(figure, tuple(dict.fromkeys(found)), own)

    rows = _expand(figure.rows, figure.panels, source(figure.panels))
    specs: list[list[PanelSpec | None]] = []
    labels: list[list[str]] = []
    for row in rows:
        shared = figure.panels.with_(row)
        columns = _expand(figure.columns, shared, source(shared))
        panels = [shared.with_(column) for column in columns]
        specs.append([_spec(panel, source(panel)) for panel in panels])
        labels.append([column.label or "" for column in columns])
    width = max(map(len, specs))
    grid = tuple((*row, *[None] * (width - len(row))) for row in specs)
    row_labels = tuple(row.label or "" for row in rows)
    column_labels = next(tuple(names) for names in labels if len(names) == width)
    if width == 1 and len(rows) <= MANY_ROWS:
        return Grid((tuple(row[0] for row in grid),), column_labels, row_labels)
    return Grid(grid, row_labels, column_labels)


def _expand(written: tuple[Panel, ...] | str, shared: Panel, source: _Source) -> list[Panel]:
    """Return rows or columns as written, or one per measured value of "every ..."."""
    if written == "every radius":
        written = (Panel(radius="every"),)
    if not isinstance(written, str):
        return [found for panel in written for found in _at_every_radius(panel, shared, source)]
    key = written.removeprefix("every ")
    own = {source.own[key]} if key in source.own else set()
    values = own | {v for cell in _cells(shared, source) if (v := getattr(cell, key)) is not None}
    name = "m = {}" if key == "m" else "{} iterations"
    return [Panel.model_validate({"label": name.format(v), key: v}) for v in sorted(values)] or [
        Panel()
    ]


def _at_every_radius(panel: Panel, shared: Panel, source: _Source) -> list[Panel]:
    """Return the panel, or one per measured radius if its radius is "every"."""
    if panel.radius != "every":
        return [panel]
    radii: list[float | None] = [
        *sorted(_radii(source.figure, _cells(shared.with_(panel), source)))
    ]
    return [panel.model_copy(update={"radius": radius}) for radius in radii or [None]]


def _cells(panel: Panel, source: _Source) -> list[Cell]:
    """Return the cells of a panel's definition and the figure's protocol."""
    return [
        cell
        for cell in source.cells
        if cell.definition.id == panel.definition and cell.protocol == source.figure.protocol
    ]


def _radii(figure: Figure, found: list[Cell]) -> set[float]:
    """Return the radii of the figure's ablation if it was measured, else of all base cells."""
    special: set[float] = set()
    if "every m" in (figure.rows, figure.columns):
        special = {cell.radius for cell in found if cell.m is not None}
    elif "every steps" in (figure.rows, figure.columns):
        special = {cell.radius for cell in found if cell.steps is not None}
    elif "sharpness_augmented" in _quantities(figure):
        special = {cell.radius for cell in found if cell.data == "augmented"}
    return special or {c.radius for c in found if c == Cell(c.definition, c.radius, c.protocol)}


def _quantities(figure: Figure) -> set[str]:
    lists = [written for written in (figure.rows, figure.columns) if not isinstance(written, str)]
    return {str(q) for panels in (*lists, (figure.panels,)) for p in panels for q in (p.x, p.y)}


def _spec(panel: Panel, source: _Source) -> PanelSpec:
    heading = f"ρ = {format_radius(panel.radius)}" if isinstance(panel.radius, float) else ""
    x, y = (_axis(str(quantity), panel, source) for quantity in (panel.x, panel.y))
    return PanelSpec(panel.pool or (), heading, x, y)


def _axis(quantity: str, panel: Panel, source: _Source) -> Axis:
    if not quantity.startswith("sharpness"):
        return column_axis(quantity, panel.part)
    compared = quantity == "sharpness" and "sharpness_augmented" in _quantities(source.figure)
    label = COMPARED[0] if compared else LABELS[quantity]
    if not isinstance(panel.radius, float):  # nothing of this definition was measured
        return Axis(f"{panel.definition}@", label, 1.0, label)
    exact = Cell(
        Definition.parse(str(panel.definition)),
        panel.radius,
        source.figure.protocol,
        "augmented" if quantity == "sharpness_augmented" else "original",
        panel.m,
        panel.steps,
    )
    # Cells measured with the pool's own m or steps do not name them.
    same = replace(
        exact,
        m=None if exact.m == source.own.get("m") else exact.m,
        steps=None if exact.steps == source.own.get("steps") else exact.steps,
    )
    return Axis((same if same in source.cells else exact).id, label, 1.0, label)
