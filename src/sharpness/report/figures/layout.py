"""From a figure's entry and the pools at hand to a grid of panels: which columns, which labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from sharpness.io.errors import UserError
from sharpness.measures.definition import Cell, Definition
from sharpness.plots.text import format_radius
from sharpness.report.figures.catalogue import (
    COMPARED,
    LABELS,
    Axis,
    Figure,
    Panel,
    column_axis,
    sharpness_axis,
)
from sharpness.statistics.correlation import cell_columns

Defaults = Mapping[str, Mapping[str, int]]
"""For each pool, what its cells without m or steps were measured with: ``{"m": 128, ...}``."""

MANY_ROWS = 4
"""A single column of more rows than these stays a column."""


@dataclass(frozen=True)
class PanelSpec:
    """A panel with nothing left open."""

    pools: tuple[str, ...]
    heading: str
    x: Axis
    y: Axis


@dataclass(frozen=True)
class Grid:
    """The spots row by row, None where a row has fewer; a label for each row and each column."""

    spots: tuple[tuple[PanelSpec | None, ...], ...]
    row_labels: tuple[str, ...]
    column_labels: tuple[str, ...]

    @property
    def aligned(self) -> bool:
        """Whether the rows show the same sharpness, each column at one radius throughout."""
        across = [
            {None if spot is None else (spot.pools, spot.heading, spot.x) for spot in column}
            for column in zip(*self.spots, strict=True)
        ]
        return len(self.spots) > 1 and all(len(found) == 1 for found in across)


@dataclass(frozen=True)
class _Source:
    """What a panel is laid out from: its figure, the cells of its pools, their own m and steps."""

    figure: Figure
    cells: tuple[Cell, ...]
    own: Mapping[str, int]


def lay_out(figure: Figure, pools: Mapping[str, pd.DataFrame], defaults: Defaults) -> Grid:
    """The grid of a figure. Its single column, if it has but one and few rows, becomes a row.

    Args:
        figure: an entry of the catalogue.
        pools: ``pool.csv`` of each pool of the figure.
        defaults: the pools' own m and steps; a cell that names neither was measured with them.

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
    spots: list[list[PanelSpec | None]] = []
    labels: list[list[str]] = []
    for row in rows:
        shared = figure.panels.with_(row)
        columns = _expand(figure.columns, shared, source(shared))
        panels = [shared.with_(column) for column in columns]
        spots.append([_spot(panel, source(panel)) for panel in panels])
        labels.append([column.label or "" for column in columns])
    width = max(map(len, spots))
    grid = tuple((*row, *[None] * (width - len(row))) for row in spots)
    row_labels = tuple(row.label or "" for row in rows)
    column_labels = next(tuple(names) for names in labels if len(names) == width)
    if width == 1 and len(rows) <= MANY_ROWS:
        return Grid((tuple(row[0] for row in grid),), column_labels, row_labels)
    return Grid(grid, row_labels, column_labels)


def _expand(written: tuple[Panel, ...] | str, shared: Panel, source: _Source) -> list[Panel]:
    """Rows or columns as written, or one for each value that was measured."""
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
    """The panel itself, or one for each radius that was measured if that is what it asks for."""
    if panel.radius != "every":
        return [panel]
    radii: list[float | None] = [
        *sorted(_radii(source.figure, _cells(shared.with_(panel), source)))
    ]
    return [panel.model_copy(update={"radius": radius}) for radius in radii or [None]]


def _cells(panel: Panel, source: _Source) -> list[Cell]:
    """The cells that are a panel's definition, by the figure's protocol."""
    return [
        cell
        for cell in source.cells
        if cell.definition.id == panel.definition and cell.protocol == source.figure.protocol
    ]


def _radii(figure: Figure, found: list[Cell]) -> set[float]:
    """The radii of a figure: those of its ablation if that was measured, else of all base cells."""
    if "every m" in (figure.rows, figure.columns):
        special = {cell.radius for cell in found if cell.m is not None}
    elif "every steps" in (figure.rows, figure.columns):
        special = {cell.radius for cell in found if cell.steps is not None}
    elif "sharpness_augmented" in _quantities(figure):
        special = {cell.radius for cell in found if cell.data == "augmented"}
    else:
        special = set()
    return special or {cell.radius for cell in found if _is_base(cell)}


def _quantities(figure: Figure) -> set[str]:
    lists = [written for written in (figure.rows, figure.columns) if not isinstance(written, str)]
    return {str(q) for panels in (*lists, (figure.panels,)) for p in panels for q in (p.x, p.y)}


def _is_base(cell: Cell) -> bool:
    return cell == Cell(cell.definition, cell.radius, cell.protocol)


def _spot(panel: Panel, source: _Source) -> PanelSpec:
    heading = f"ρ = {format_radius(panel.radius)}" if isinstance(panel.radius, float) else ""
    x, y = (_axis(str(quantity), panel, source) for quantity in (panel.x, panel.y))
    return PanelSpec(panel.pool or (), heading, x, y)


def _axis(quantity: str, panel: Panel, source: _Source) -> Axis:
    if not quantity.startswith("sharpness"):
        return column_axis(quantity, panel.part)
    compared = quantity == "sharpness" and "sharpness_augmented" in _quantities(source.figure)
    label = COMPARED[0] if compared else LABELS[quantity]
    if not isinstance(panel.radius, float):  # nothing of this definition was measured
        return sharpness_axis(f"{panel.definition}@", label)
    exact = Cell(
        Definition.parse(str(panel.definition)),
        panel.radius,
        source.figure.protocol,
        "augmented" if quantity == "sharpness_augmented" else "original",
        panel.m,
        panel.steps,
    )
    # A cell that names no m or steps was measured with the pool's own.
    same = replace(
        exact,
        m=None if exact.m == source.own.get("m") else exact.m,
        steps=None if exact.steps == source.own.get("steps") else exact.steps,
    )
    return sharpness_axis((same if same in source.cells else exact).id, label)
