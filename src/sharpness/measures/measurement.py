"""Measurements: one measure in one variant, and how columns of ``pool.csv`` are recognised.

The id of a measurement is ``name[@radius][+option]``, such as ``fisher-rao``,
``gradient-norm+adaptive`` and ``geodesic-inv@0.1``. Ids of cells begin with a definition. With
``@auto`` the radius is still to be found, see ``evaluation.radii``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from sharpness.io.errors import UserError
from sharpness.measures.definition import IN_ORDER, Cell
from sharpness.measures.registry import SHARPNESS, Measure, measures

AUTO = "auto"


@dataclass(frozen=True, order=True)
class Measurement:
    """One measure in one variant, at one radius where it has radii; None is to be found."""

    name: str
    radius: float | None = None
    variant: str = ""

    @property
    def id(self) -> str:
        """Return the id, such as ``critical-radius+magnitude+error``."""
        unknown = f"@{AUTO}" if self.auto else ""
        radius = unknown if self.radius is None else f"@{self.radius:.12g}"
        return f"{self.name}{radius}" + (f"+{self.variant}" if self.variant else "")

    @property
    def auto(self) -> bool:
        """Return whether its radius is to be found."""
        return self.radius is None and self.measure.radius

    @property
    def options(self) -> tuple[str, ...]:
        """Return the options of the variant."""
        return tuple(filter(None, self.variant.split("+")))

    @property
    def measure(self) -> Measure:
        """Return the entry of the registry."""
        return measures()[self.name]

    @property
    def needs_initial(self) -> bool:
        """Return whether it depends on the weights from which training started."""
        return "initial weights" in self.measure.needs

    @classmethod
    def parse(cls, word: str) -> Measurement:
        """Return the measurement with the given id; raise UserError if there is none."""
        measured, _, variant = word.partition("+")
        name, at, radius = measured.partition("@")
        if name not in measures() or name == SHARPNESS.name:
            known = ", ".join(key for key in measures() if key != SHARPNESS.name)
            raise UserError(f"measure {word!r} is unknown; one of {known}")
        measure = measures()[name]
        if variant not in measure.variants:
            options = ", ".join(f"+{key}" for key in measure.variants if key) or "none"
            raise UserError(f"measure {word!r}: +{variant} is no option; {name} has {options}")
        if bool(at) != measure.radius:
            form = f"{name}@radius" if measure.radius else f"{name}, without a radius"
            raise UserError(f"measure {word!r} must be of the form {form}")
        if radius == AUTO and not measure.rises:
            raise UserError(f"measure {word!r}: is no rise of the loss, by which radii are found")
        given = _radius(word, radius) if at and radius != AUTO else None
        found = cls(name, given, variant)
        if found.id != word:
            raise UserError(f"measure {word!r} is not canonical; did you mean {found.id!r}?")
        return found


def _radius(word: str, text: str) -> float:
    try:
        radius = float(text)
    except ValueError:
        radius = 0.0
    if not (radius > 0 and isfinite(radius)):
        raise UserError(f"measure {word!r}: the radius must be a positive number, or {AUTO}")
    return radius


def parse(word: str) -> Cell | Measurement:
    """Return the cell or measurement with the given id; raise UserError if there is none."""
    return Cell.parse(word) if _name(word) in _DEFINITIONS else Measurement.parse(word)


def is_measured(column: str) -> bool:
    """Return whether a column of ``pool.csv`` holds a measure, by the name that it begins with."""
    return "@" in column or _name(column) in measures()


def is_cell(column: str) -> bool:
    """Return whether a column of ``pool.csv`` holds a cell, of any definition of sharpness."""
    return is_measured(column) and _name(column) not in measures()


def _name(word: str) -> str:
    return word.partition("@")[0].partition("+")[0]


_DEFINITIONS = {definition.id for definition in IN_ORDER}
