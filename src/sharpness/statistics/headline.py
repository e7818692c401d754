"""Which columns of a pool the verdict is about, and which stand beside them. Needs no pandas."""

from __future__ import annotations

from collections.abc import Iterable

from sharpness.measures.definition import Cell
from sharpness.measures.measurement import is_cell, is_measured


def main_cells(words: Iterable[str]) -> list[str]:
    """Return the cells of the verdict: the paper's, of the first protocol, without ablations."""
    cells = {word: Cell.parse(word) for word in words if is_cell(word)}
    first = main_protocol(cells)
    usual = {word: cell for word, cell in cells.items() if not cell.definition.gauge}
    return [w for w, c in usual.items() if c == Cell(c.definition, c.radius, first)]


def main_protocol(words: Iterable[str]) -> str:
    """Return the protocol of the verdict: that of the first cell, or an empty string."""
    return next((Cell.parse(word).protocol for word in words if is_cell(word)), "")


def beside_the_headline(words: Iterable[str]) -> list[str]:
    """Return the measures and cells that are neither headline cells nor ablations of them.

    Of the cells, those of the first protocol count.
    """
    measured = [word for word in words if is_measured(word)]
    first = main_protocol(measured)
    return [word for word in measured if not is_cell(word) or _is_beside(Cell.parse(word), first)]


def _is_beside(cell: Cell, protocol: str) -> bool:
    more = cell.definition.gauge or cell.restarts is not None
    return more and cell.protocol == protocol
