"""A run over its epochs: the test accuracy above, the trace below, a line a seed."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from sharpness.figures.axes import LOG_RANGE, scale_axis
from sharpness.simple.two_layer_relu.reading import length, of_run
from sharpness.simple.two_layer_relu.runs import Run

Look = dict[str, Any]
"""Keywords of matplotlib's lines."""

LEAST: Look = {"color": "0.25", "linewidth": 0.9, "linestyle": "--", "zorder": 1.5}
"""How the least trace of an interpolator looks."""

ACTIVE: Look = {**LEAST, "linestyle": "-."}
"""How the least trace with the active neurons looks."""

TITLE = 34
"""Characters of a panel's title in one line."""

FITTED: Look = {"linewidth": 0.9, "linestyle": ":"}
"""How the part of the trace that fitting leaves looks."""


def draw_curves(
    above: Axes,
    below: Axes,
    run: Run,
    solutions: pd.DataFrame,
    curves: pd.DataFrame,
    colours: Mapping[int, str],
) -> None:
    """Draw one run.

    Args:
        above: for the test accuracy, or on the ball the test mean squared error.
        below: for Tr ∇²L; its part without the residuals is dotted where it is another.
        run: which.
        solutions: rows of ``pool.COLUMNS``.
        curves: rows of ``pool.POINTS``.
        colours: of the seeds.
    """
    name = f"{run.title} (ours)" if run.ours else run.title
    above.set_title(f"({run.panel}) {name}\n{fill(length(run, solutions), TITLE)}", pad=3)
    points = curves[(curves["run"] == run.id) & (curves["epoch"] > 0)]
    if points.empty:
        above.text(0.5, 0.5, "not measured", transform=above.transAxes, ha="center", color="0.4")
        return
    parity = run.task.name == "parity"
    points = points.assign(shown=1 - points["test_error"] if parity else points["test_error"])
    plain = np.allclose(points["trace"], points["gauss_newton"])
    for seed, colour in colours.items():
        rows = points[points["seed"] == seed]
        above.plot(rows["epoch"], rows["shown"], color=colour, linewidth=0.9)
        below.plot(rows["epoch"], rows["trace"], color=colour, linewidth=0.9)
        if not plain:
            below.plot(rows["epoch"], rows["gauss_newton"], color=colour, **FITTED)
    for column, look in (("bound", LEAST), ("active_bound", ACTIVE)):
        for bound in of_run(solutions, run)[column].dropna().unique():
            below.axhline(bound, **look)
    above.set_ylabel("test accuracy" if parity else "test mean squared error", labelpad=2)
    below.set_ylabel("Tr ∇²L", labelpad=2)
    below.set_xlabel("epochs", labelpad=2)
    if parity:
        above.set_ylim(0.4, 1.03)
    else:
        scale_axis(above, "y", points["shown"].to_numpy(np.float64))
    for axes in (above, below):
        scale_axis(axes, "x", points["epoch"].to_numpy(np.float64))
    above.tick_params(labelbottom=False)


def share_traces(panels: list[Axes]) -> None:
    """One vertical scale for the traces of panels of one architecture and loss."""
    lines = [np.asarray(line.get_ydata(), np.float64) for axes in panels for line in axes.lines]
    values = np.concatenate([np.empty(0), *lines])
    for axes in panels:
        scale_traces(axes, "y", values)


def scale_traces(axes: Axes, which: Literal["x", "y"], values: npt.NDArray[np.float64]) -> None:
    """A logarithmic axis, linear between −1 and 1 where a trace is negative; all values are in it.

    Args:
        axes: where.
        which: of its axes.
        values: the traces; those that are not finite are passed over.
    """
    values = values[np.isfinite(values)]
    if not values.size:
        return
    low, high = values.min(), values.max()
    if low > 0:
        scale_axis(axes, which, values)
        edge = 0.06 * (high - low)
        linear = high <= LOG_RANGE * low
        limits = (low - edge, high + edge) if linear else (low / 1.15, high * 1.15)
    else:
        decades = [10.0**k for k in range(1, 20)]
        ticks = [v for v in [-v for v in decades[::-1]] + [0.0, *decades] if low <= v <= high]
        axes.set(**{f"{which}scale": "symlog"})
        axis = axes.xaxis if which == "x" else axes.yaxis
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        limits = (1.5 * min(low, -1), 1.5 * high)
    axes.set(**{f"{which}lim": limits})
