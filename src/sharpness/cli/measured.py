"""The table of ``sharpness measure``, on the screen and in files."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.markup import escape
from rich.table import Table

from sharpness.io.files import write_csv, write_json
from sharpness.measures.definition import Cell
from sharpness.measures.measurement import parse

COLUMNS = ("cell", "value", "stderr", "loss", "error", "floor", "seconds", "status", "reason")
"""Columns of the CSV file, after which come the settings of each cell."""

HEADINGS: tuple[tuple[str, Literal["left", "right"]], ...] = (
    ("definition", "left"),
    ("ρ", "right"),
    ("sharpness", "right"),
    ("std. error", "right"),
    ("seconds", "right"),
)


@dataclass(frozen=True)
class Measured:
    """A cell with its row, its seconds, and the floor below which rounding decides it."""

    row: dict[str, Any]
    seconds: float
    floor: float


def shown(rows: Iterable[Measured]) -> Table:
    """Return the table of the cells: value, standard error, seconds."""
    table = Table(box=None, pad_edge=False)
    for name, side in HEADINGS:
        table.add_column(name, justify=side, no_wrap=name == "definition")
    for found in rows:
        row, below = found.row, ""
        if row["value"] is None:
            said = escape(row["reason"])
        else:
            below = " (rounding)" if abs(row["value"]) < found.floor else ""
            said = f"{row['value']:.6g}{below}"
        error = "" if row["stderr"] is None else f"{row['stderr']:.2g}"
        radius = "" if row["radius"] is None else f"{row['radius']:g}"
        table.add_row(_name(row["cell"]), radius, said, error, f"{found.seconds:.1f}")
    table.caption = f"peak memory {_peak():,.0f} MB"
    return table


def _name(word: str) -> str:
    """Return the definition of a cell, or the measure with its options."""
    wanted = parse(word)
    if isinstance(wanted, Cell):
        return wanted.definition.id
    return "+".join((wanted.name, *wanted.options))


def _peak() -> float:
    """Return the largest amount of memory that was used, of the GPU if there is one, in MB."""
    import torch

    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def write(rows: Sequence[Measured], csv: Path | None, json: Path | None) -> None:
    """Write the cells with all their settings, where a file is named."""
    table = [
        {**found.row, "floor": found.floor, "seconds": round(found.seconds, 3)} for found in rows
    ]
    if csv:
        plain = [{k: v for k, v in row.items() if not isinstance(v, list)} for row in table]
        write_csv(csv, plain, list(dict.fromkeys([*COLUMNS, *plain[0]])))
    if json:
        write_json(json, table)
