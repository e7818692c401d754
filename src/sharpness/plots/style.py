"""The style of all figures: titles, scales and ticks that stay legible in a panel one inch high.

PDF and PNG are written without a date: equal data give equal bytes.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedLocator, FuncFormatter, Locator, MaxNLocator, NullLocator

from sharpness.io.files import atomic

STYLE: Any = {
    "font.family": "DejaVu Sans",  # ships with matplotlib, so it is the same on every machine
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "0.3",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.92",
    "grid.linewidth": 0.5,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handletextpad": 0.2,
    "figure.titlesize": 8,
    "mathtext.fontset": "dejavusans",
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
}

# Okabe and Ito's colours, which colour-blind readers can tell apart.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

# From light to dark, so that it works for colour-blind readers and in grey; its lightest end is
# visible on white.
RAMP = LinearSegmentedColormap.from_list("ramp", ["#bcd98a", "#4fae8d", "#237a9b", "#1b2a5c"])


def save_figure(compose: Callable[[], Canvas], out_stem: str | Path, title: str) -> None:
    """Compose a figure in the project's style and write ``<out_stem>.pdf`` and ``<out_stem>.png``.

    ``compose`` is called after the style is set; ``title`` goes into the PDF's metadata.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        canvas = compose()
        pdf = {"CreationDate": None, "Title": title}
        for suffix, metadata in ("pdf", pdf), ("png", {"Software": None}):
            with atomic(f"{out_stem}.{suffix}") as temporary:
                canvas.savefig(temporary, format=suffix, metadata=metadata)
            canvas.set_layout_engine(None)  # both files get the same layout


def title_lines(title: str, note: str | None, width: float) -> list[str]:
    """Wrap a figure's title and, in brackets below it, a note to a width in inches."""
    said = [title, *([f"[{note}]"] if note else [])]
    lines = [line for text in said for line in textwrap.wrap(text, int(width * 15))]
    # Mathtext, since Unicode has no subscript ∞.
    return [line.replace("ℓ∞", r"$\ell_\infty$").replace("ℓ2", r"$\ell_2$") for line in lines]


LOG_RANGE = 10
"""Positive values that span more than this factor get a logarithmic axis."""

LONG = 1e-3
"""Axes of values below this have long tick labels, so they get one tick interval less."""

TICKS = 4
"""Largest number of intervals between ticks."""


@dataclass(frozen=True)
class Scale:
    """Scale of the axes of one quantity, and whether tick labels are plain or powers of ten."""

    logarithmic: bool
    plain: bool


def common_scale(panels: Iterable[npt.ArrayLike], linear: bool = False) -> Scale:
    """Choose one scale for a quantity from the values that each panel shows of it.

    It is logarithmic if all values are positive and those of some panel span over a decade, unless
    ``linear`` forbids it.
    """
    known = [found for values in panels if (found := _finite(values)).size]
    ends = [(float(values.min()), float(values.max())) for values in known] or [(0.0, 1.0)]
    lowest, highest = min(low for low, _ in ends), max(high for _, high in ends)
    positive = not linear and lowest > 0
    if positive and any(high > LOG_RANGE * low for low, high in ends):
        return Scale(True, lowest >= 1e-3 and highest < 1e4)
    largest = [max(abs(low), abs(high)) for low, high in ends]
    return Scale(False, min(value for value in [*largest, 1.0] if value) >= 1e-4)


def _finite(values: npt.ArrayLike) -> np.ndarray:
    numbers = np.asarray(values, np.float64)
    return numbers[np.isfinite(numbers)]


def scale_axis(
    axes: Axes,
    which: Literal["x", "y"],
    values: np.ndarray,
    scale: Scale | None = None,
    ticks: int = TICKS,
) -> None:
    """Set the scale and the ticks of an axis that shows values; by default their own scale."""
    scale = scale or common_scale([values])
    axes.set(**{f"{which}scale": "log" if scale.logarithmic else "linear"})
    ends = float(values.min()), float(values.max())
    set_ticks(axes.xaxis if which == "x" else axes.yaxis, *ends, scale, ticks)


def set_ticks(axis: Axis, low: float, high: float, scale: Scale, ticks: int = TICKS) -> None:
    """Set ticks and tick labels of an axis that shows values from ``low`` to ``high``."""
    axis.set_minor_locator(NullLocator())
    # No offset or common factor: its text at the end of the axis would overlap the axis label.
    axis.set_major_formatter(FuncFormatter(lambda v, _: _plain(v) if scale.plain else _power(v)))
    if scale.logarithmic and len(found := _logarithmic(low, high, ticks)) > 1:
        axis.set_major_locator(FixedLocator(found))
        return
    if max(abs(low), abs(high)) < LONG:
        ticks -= 1
    locator: Locator = MaxNLocator(ticks, steps=[1, 2, 5, 10])
    inside = [tick for tick in locator.tick_values(low, high) if low <= tick <= high]
    if len(inside) > ticks + 1:  # so that there are two, it may give many
        locator = FixedLocator(inside[:: -(-len(inside) // ticks)])
    axis.set_major_locator(locator)


def _logarithmic(low: float, high: float, ticks: int = TICKS) -> list[float]:
    """Return the ticks of a logarithmic axis: powers of ten, and multiples if there are too few.

    Labels of multiples are long, so there is one tick less.
    """
    exponents = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    found: list[float] = []
    for factors, most in ((1,), ticks), ((1, 3), ticks - 1), ((1, 2, 3, 5, 7), ticks - 1):
        found = [f * 10.0**e for e in exponents for f in factors if low <= f * 10.0**e <= high]
        if len(found) > 1:
            return found[:: -(-len(found) // most)]
    return found


def _plain(value: float) -> str:
    """Return a tick label such as 0.0005 or 200, never 5e-04."""
    return np.format_float_positional(float(f"{value:.4g}") + 0.0, trim="-")


def _power(value: float) -> str:
    """Return a tick label such as 10⁻³ or 3·10⁻³."""
    factor, exponent = f"{value:.3e}".split("e")
    front = {1.0: "", -1.0: "-"}.get(float(factor), rf"{float(factor):g}\cdot ")
    return f"${front}10^{{{int(exponent)}}}$" if value else "0"


def draw_diagonal(axes: Axes) -> None:
    """Draw the line x = y without changing the limits."""
    limits = axes.get_xlim(), axes.get_ylim()
    axes.axline((1, 1), (2, 2), color="0.5", linewidth=0.7, linestyle=":", zorder=0.5)
    axes.set(xlim=limits[0], ylim=limits[1])
