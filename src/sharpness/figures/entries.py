"""What an entry of the catalogue consists of: panels, and what tells their points apart."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from sharpness.definition import ALL
from sharpness.figures.quantities import LABELS, OF_A_PART, PARTS
from sharpness.validation import Closed, OneOf


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
