"""Axes that stay legible in a panel an inch high: scales, ticks and their labels."""

from __future__ import annotations

from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

LOG_RANGE = 10
"""A positive range wider than this factor gets a logarithmic axis."""


def scale_axis(axes: Axes, which: Literal["x", "y"], values: np.ndarray) -> None:
    """A logarithmic axis where the values span more than a decade, else a linear one."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = float(values.min()), float(values.max())
    if low > 0 and high > LOG_RANGE * low:
        axes.set(**{f"{which}scale": "log"})
        axis.set_major_locator(FixedLocator(_decades(low, high)))
        plain = low >= 5e-3 and high < 1e4
        axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}" if plain else _power(v)))
        axis.set_minor_locator(NullLocator())
        return
    axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    # Each tick says its whole value: a common factor at the end of an axis runs into its label.
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.4g}"))


def _decades(low: float, high: float) -> list[float]:
    """Two to four ticks for a logarithmic axis: powers of ten, threefold ones if those are few."""
    exponents = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    powers = [10.0**e for e in exponents if low <= 10.0**e <= high]
    if len(powers) > 1:
        return powers[:: -(-len(powers) // 4)]
    return [f * 10.0**e for e in exponents for f in (1, 3) if low <= f * 10.0**e <= high]


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
