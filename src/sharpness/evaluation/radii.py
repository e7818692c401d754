"""Search for the radii at which the loss rises by given amounts. Needs no torch.

Sharpness at a radius is the rise of the loss, in nats, on average or at worst. Definitions and
measures whose radii are ``auto`` are measured at the radii where the median rise of a pool's first
models reaches each of `LEVELS`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sharpness.io.errors import REMAKE, UserError
from sharpness.io.files import read_json
from sharpness.measures.definition import Definition
from sharpness.measures.measurement import Measurement

LEVELS = (0.02, 0.1, 0.5)
"""Rises of the loss, in nats."""

MODELS = 3
"""Number of models, the first of the table, whose median rise counts."""

POINTS = 256
"""Number of points, in whole batches, on which the search measures; at least one batch."""

SMALLEST, LARGEST = 1e-8, 1e4
"""Radii between which it searches."""

TRIED = 14
"""Radii that a search tries for one measure, about, by which its cost is foreseen."""

REVISION = 1
"""Increase it with any code change that changes found radii; all are searched anew."""

_GROWTH = 4.0
_FINEST = 0.01
"""Error of a radius's logarithm, which two digits allow."""

Sought = Definition | Measurement
"""What radii are found for, by id: a definition, or a measure such as ``geodesic-inv@auto``."""

Rise = Callable[[Sought, float], float]
"""The median rise of the loss at a radius; raises UserError if it has no value."""


@dataclass
class _Curve:
    """The rises of one definition, each measured once; a radius without a value has infinity."""

    rise: Callable[[float], float]
    known: dict[float, float] = field(default_factory=dict)
    problem: str = ""

    def at(self, radius: float) -> float:
        """Return the rise at a radius."""
        if radius not in self.known:
            try:
                found = self.rise(radius)
            except UserError as problem:
                self.problem, found = str(problem), math.inf
            self.known[radius] = math.inf if math.isnan(found) else found
        return self.known[radius]


def probe_points(points: int, m: int) -> int:
    """Return the number of points on which radii are searched: whole batches of m of them."""
    return min(points, max(1, POINTS // m) * m)


def sought(words: Iterable[str]) -> list[Sought]:
    """Return the definitions and measures with the given ids."""
    return [Measurement.parse(word) if "@" in word else Definition.parse(word) for word in words]


def find_radii(rise: Rise, wanted: Iterable[Sought]) -> dict[str, dict[str, Any]]:
    """Return the radii of each definition or measure, by id, with the bracket of each level.

    The keys are ``radii``, ascending and of two significant digits; ``levels``, for each of
    `LEVELS` its ``radius`` and the bracket, ``low`` and ``high`` with their rises, or the
    ``reason`` why it cannot be reached; and ``tried``, the number of radii.

    Raises:
        UserError: if none reaches any level.
    """
    found = {}
    for each in wanted:
        found[each.id] = _radii_of(rise, each)
        print(f"{each.id}: {found[each.id]['radii']}", file=sys.stderr)
    if found and not any(entry["radii"] for entry in found.values()):
        name, entry = next(iter(found.items()))
        why = f"{name}: {entry['levels'][0]['reason']}"
        raise UserError(f"radii: auto finds none, for instance {why}; give radii, or leave it out")
    return found


def without_radii(wanted: Iterable[Sought], reason: str) -> dict[str, dict[str, Any]]:
    """Return what `find_radii` does where nothing can be measured."""
    levels = [{"level": level, "reason": reason} for level in LEVELS]
    return {each.id: {"radii": [], "levels": levels, "tried": 0} for each in wanted}


def _radii_of(rise: Rise, wanted: Sought) -> dict[str, Any]:
    curve = _Curve(lambda radius: rise(wanted, radius))
    worst_box = wanted.id.startswith("worst-linf")
    levels = [_level(curve, level, 0.001 if worst_box else 0.1) for level in LEVELS]
    radii = sorted({entry["radius"] for entry in levels if "radius" in entry})
    return {"radii": radii, "levels": levels, "tried": len(curve.known)}


def _level(curve: _Curve, level: float, first: float) -> dict[str, Any]:
    """Return the radius at which a curve reaches a level with its bracket, or why it does not."""
    low, high = _bracket(curve, level, first)
    if high > LARGEST:
        most = max(curve.known.values())
        reason = f"the loss rises by {most:.3g} at most, up to radius {LARGEST:g}"
        return {"level": level, "reason": reason}
    if low < SMALLEST:
        why = curve.problem or f"the loss rises by {curve.at(high):.3g} already at radius {high:g}"
        return {"level": level, "reason": why}
    root, low, high = _narrowed(curve, level, low, high)
    ends = {"low": low, "rise_low": curve.at(low), "high": high, "rise_high": curve.at(high)}
    if math.isinf(curve.at(high)):
        why = curve.problem or "the loss is not finite"
        return {"level": level, "reason": f"no value from radius {high:.3g} on: {why}"}
    rounded = {name: float(f"{number:.6g}") for name, number in ends.items()}
    return {"level": level, "radius": two_digits(root), **rounded}


def _narrowed(curve: _Curve, level: float, low: float, high: float) -> tuple[float, float, float]:
    """Return the radius that reaches a level, and the ends of the bracket around it."""
    from scipy.optimize import brentq  # half a second, for a hundred jobs that only read radii

    def above(place: float) -> float:
        rise = min(max(curve.at(math.exp(place)), 1e-6 * level), 1e6 * level)
        return math.log(rise / level)

    root = math.exp(brentq(above, math.log(low), math.log(high), xtol=_FINEST))
    inside = sorted(radius for radius in curve.known if low <= radius <= high)
    last = max(k for k, radius in enumerate(inside[:-1]) if curve.at(radius) < level)
    return root, inside[last], inside[last + 1]


def _bracket(curve: _Curve, level: float, first: float) -> tuple[float, float]:
    """Return two radii, the loss rising by less than the level at the lower one alone.

    One of them is beyond `SMALLEST` or `LARGEST` if there are none such.
    """
    radius = first
    if curve.at(radius) < level:
        while radius <= LARGEST and curve.at(radius) < level:
            radius *= _GROWTH
        return radius / _GROWTH, radius
    while radius >= SMALLEST and curve.at(radius) >= level:
        radius /= _GROWTH
    return radius, radius * _GROWTH


def two_digits(radius: float) -> float:
    """Return the radius rounded to two significant digits."""
    return float(f"{radius:.2g}")


def read_radii(path: str | Path) -> dict[str, list[float]]:
    """Read the radii by id; raise UserError if the file is not of `find_radii`."""
    whole = read_json(path)
    found = whole.get("definitions") if isinstance(whole, Mapping) else None
    if not isinstance(found, Mapping) or not all(
        isinstance(entry, Mapping)
        and isinstance(radii := entry.get("radii"), list)
        and all(isinstance(radius, float | int) and radius > 0 for radius in radii)
        for entry in found.values()
    ):
        raise UserError(f"{path}: holds no radii; {REMAKE}")
    return {str(name): list(map(float, entry["radii"])) for name, entry in found.items()}
