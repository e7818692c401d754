"""Axes that stay legible in a panel an inch high: scales, ticks and their labels."""

from __future__ import annotations

from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

LOG_RANGE = 10
"""A positive range wider than this factor gets a logarithmic axis."""

LONG = 1e-3
"""Ticks of numbers below this one are long words, so there are fewer."""

TICKS = 4
"""At most so many intervals between ticks."""


def scale_axis(
    axes: Axes, which: Literal["x", "y"], values: np.ndarray, ticks: int = TICKS
) -> None:
    """A logarithmic axis where the values span more than a decade, else a linear one."""
    low, high = float(values.min()), float(values.max())
    logarithmic = low > 0 and high > LOG_RANGE * low
    axes.set(**{f"{which}scale": "log" if logarithmic else "linear"})
    set_ticks(axes.xaxis if which == "x" else axes.yaxis, low, high, logarithmic, ticks)


def set_ticks(axis: Axis, low: float, high: float, logarithmic: bool, ticks: int = TICKS) -> None:
    """Choose and word the ticks of an axis that shows the values from low to high."""
    if logarithmic and high > LOG_RANGE * low:
        axis.set_major_locator(FixedLocator(_decades(low, high, ticks)))
        plain = low >= 5e-3 and high < 1e4
        axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}" if plain else _power(v)))
        axis.set_minor_locator(NullLocator())
        return
    if max(abs(low), abs(high)) < LONG:
        ticks -= 1
    axis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 5, 10]))
    # Each tick says its whole value: a common factor at the end of an axis runs into its label.
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.4g}"))
    axis.set_minor_locator(NullLocator())


def _decades(low: float, high: float, ticks: int = TICKS) -> list[float]:
    """Two ticks or more for a logarithmic axis: powers of ten, threefold ones if those are few."""
    exponents = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    found = [10.0**e for e in exponents if low <= 10.0**e <= high]
    if len(found) < 2:
        found = [f * 10.0**e for e in exponents for f in (1, 3) if low <= f * 10.0**e <= high]
    return found[:: -(-len(found) // ticks)]


def _power(value: float) -> str:
    """A tick's label in powers of ten: 10⁻³, 3·10⁻³."""
    exponent = int(np.floor(np.log10(value) + 1e-9))
    factor = round(value / 10.0**exponent)
    front = "" if factor == 1 else rf"{factor}\cdot "
    return f"${front}10^{{{exponent}}}$"


def draw_diagonal(axes: Axes) -> None:
    """The line on which both axes are equal, without widening the axes."""
    limits = axes.get_xlim(), axes.get_ylim()
    axes.axline((1, 1), (2, 2), color="0.5", linewidth=0.7, linestyle=":", zorder=0.5)
    axes.set(xlim=limits[0], ylim=limits[1])
