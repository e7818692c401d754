"""Scales of the axes of traces, whose kind is one for a whole figure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from sharpness.plots.style import Scale, common_scale, scale_axis

Values = npt.NDArray[np.float64]


def share_traces(groups: Iterable[list[Axes]]) -> None:
    """Give the traces of a group of panels, of one architecture and loss, the same limits.

    All groups, that is, the whole figure, get one kind of scale.
    """
    lines = [
        (
            panels,
            [np.asarray(line.get_ydata(), np.float64) for axes in panels for line in axes.lines],
        )
        for panels in groups
    ]
    shown = [(panels, np.concatenate([np.empty(0), *found])) for panels, found in lines]
    scale = trace_scale([values for _, values in shown])
    for panels, values in shown:
        for axes in panels:
            scale_traces(axes, "y", values, scale)


def trace_scale(groups: list[Values]) -> Scale | None:
    """Return the scale of all traces of a figure; None, that is, symlog, if one is not positive."""
    return (
        common_scale(groups)
        if all((values[np.isfinite(values)] > 0).all() for values in groups)
        else None
    )


def scale_traces(axes: Axes, which: Literal["x", "y"], values: Values, scale: Scale | None) -> None:
    """Scale an axis of traces to hold all finite values; `trace_scale` chooses the scale."""
    values = values[np.isfinite(values)]
    if not values.size:
        return
    low, high = values.min(), values.max()
    if scale:
        scale_axis(axes, which, values, scale)
        edge = 0.06 * (high - low)
        log = scale.logarithmic
        limits = (low / 1.15, high * 1.15) if log else (low - edge, high + edge)
    else:
        low = min(low, 0.0)
        decades = [10.0**k for k in range(1, 20)]
        ticks = [v for v in [-v for v in decades[::-1]] + [0.0, *decades] if low <= v <= high]
        axes.set(**{f"{which}scale": "symlog"})
        axis = axes.xaxis if which == "x" else axes.yaxis
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        limits = (1.5 * min(low, -1), 1.5 * high)
    axes.set(**{f"{which}lim": limits})
