"""From a figure's entry and the pools at hand to a grid of panels: which columns, which labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from sharpness.correlation import cell_columns
from sharpness.definition import Cell, Definition
from sharpness.figures.catalogue import Figure, Panel
from sharpness.problem import Problem
from sharpness.tables.formats import format_radius

COMPARED = ("Sharpness (original)", "Sharpness (augmented)")
"""The labels in a figure that compares the two kinds of data."""

_LABELS = {
    "sharpness": "Sharpness",
    "sharpness_augmented": COMPARED[1],
    "error_train": "Training error (%)",
    "error_test": "Test error (%)",
    "error_corrupted": "OOD error (%)",
    "gap": "Generalization gap (%)",
    "learning_rate": "Learning rate",
}

Defaults = Mapping[str, Mapping[str, int]]
"""For each pool, what its cells without m or steps were measured with: ``{"m": 128, ...}``."""


@dataclass(frozen=True)
class Axis:
    """One axis of a panel: a column of pool.csv, its label, and the factor it is shown with."""

    column: str
    label: str
    factor: float


@dataclass(frozen=True)
class Spot:
    """A panel with nothing left open."""

    pool: str
    heading: str
    x: Axis
    y: Axis


@dataclass(frozen=True)
class Grid:
    """The spots row by row, None where a row has fewer; a label for each row and each column."""

    spots: tuple[tuple[Spot | None, ...], ...]
    row_labels: tuple[str, ...]
    column_labels: tuple[str, ...]


def lay_out(figure: Figure, pools: Mapping[str, pd.DataFrame], defaults: Defaults) -> Grid:
    """The grid of a figure. Its single column, if it has but one, is laid out as a row.

    Args:
        figure: an entry of the catalogue.
        pools: ``pool.csv`` of each pool of the figure.
        defaults: the pools' own m and steps; a cell that names neither was measured with them.

    Raises:
        Problem: if a pool of the figure is missing.
    """
    if absent := [name for name in figure.pools if name not in pools]:
        raise Problem(f"{figure.id}: pool {absent[0]!r} is not among those at hand")
    cells = {name: [Cell.parse(c) for c in cell_columns(pools[name])] for name in figure.pools}
    rows = _expand(figure.rows, figure.panels, figure, cells, defaults)
    spots: list[list[Spot | None]] = []
    labels: list[list[str]] = []
    for row in rows:
        shared = figure.panels.with_(row)
        columns = _expand(figure.columns, shared, figure, cells, defaults)
        panels = [shared.with_(column) for column in columns]
        spots.append([_spot(panel, figure, cells, defaults) for panel in panels])
        labels.append([column.label or "" for column in columns])
    width = max(map(len, spots))
    grid = tuple((*row, *[None] * (width - len(row))) for row in spots)
    row_labels = tuple(row.label or "" for row in rows)
    column_labels = next(tuple(names) for names in labels if len(names) == width)
    if width == 1:
        return Grid((tuple(row[0] for row in grid),), column_labels, row_labels)
    return Grid(grid, row_labels, column_labels)


def _expand(
    written: tuple[Panel, ...] | str,
    shared: Panel,
    figure: Figure,
    cells: Mapping[str, list[Cell]],
    defaults: Defaults,
) -> list[Panel]:
    """Rows or columns as written, or one for each value that was measured."""
    if not isinstance(written, str):
        return list(written)
    key = written.removeprefix("every ")
    pool = str(shared.pool)
    found = [
        cell
        for cell in cells[pool]
        if cell.definition.id == shared.definition and cell.protocol == figure.protocol
    ]
    if key == "radius":
        radii = sorted(_radii(figure, found))
        return [Panel(radius=radius) for radius in radii] or [Panel()]
    own = {defaults[pool][key]} if key in defaults.get(pool, {}) else set()
    values = own | {value for cell in found if (value := getattr(cell, key)) is not None}
    name = "m = {}" if key == "m" else "{} iterations"
    return [Panel.model_validate({"label": name.format(v), key: v}) for v in sorted(values)] or [
        Panel()
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


def _spot(
    panel: Panel, figure: Figure, cells: Mapping[str, list[Cell]], defaults: Defaults
) -> Spot:
    pool = str(panel.pool)
    heading = "" if panel.radius is None else f"ρ = {format_radius(panel.radius)}"
    x, y = (
        _axis(str(quantity), panel, figure, cells[pool], defaults.get(pool, {}))
        for quantity in (panel.x, panel.y)
    )
    return Spot(pool, heading, x, y)


def _axis(
    quantity: str, panel: Panel, figure: Figure, cells: list[Cell], own: Mapping[str, int]
) -> Axis:
    label = _LABELS[quantity]
    if not quantity.startswith("sharpness"):
        return Axis(quantity, label, 100.0 if label.endswith("(%)") else 1.0)
    if quantity == "sharpness" and "sharpness_augmented" in _quantities(figure):
        label = COMPARED[0]
    if panel.radius is None:  # nothing of this definition was measured
        return Axis(f"{panel.definition}@", label, 1.0)
    exact = Cell(
        Definition.parse(str(panel.definition)),
        panel.radius,
        figure.protocol,
        "augmented" if quantity == "sharpness_augmented" else "original",
        panel.m,
        panel.steps,
    )
    # A cell that names no m or steps was measured with the pool's own.
    same = replace(
        exact,
        m=None if exact.m == own.get("m") else exact.m,
        steps=None if exact.steps == own.get("steps") else exact.steps,
    )
    return Axis((same if same in cells else exact).id, label, 1.0)
