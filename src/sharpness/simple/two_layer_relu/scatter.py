"""Does the trace rank the solutions by their test error? One panel an architecture."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from sharpness.figures.codings import COLOURS, MARKERS
from sharpness.kendall import kendall
from sharpness.simple.two_layer_relu.curves import LEAST, Look, scale_traces
from sharpness.simple.two_layer_relu.runs import TITLES
from sharpness.tables.formats import format_tau

ROLES = {
    "baseline": "weight decay",
    "sgd": "SGD",
    "label-noise": "label-noise SGD",
    "sam": "1-SAM",
    "construction": "explicit construction",
}
"""What the legend calls each kind of solution."""


def draw_solutions(axes: Axes, architecture: str, pool: pd.DataFrame, built: pd.DataFrame) -> None:
    """Draw the solutions of an architecture as points, with their τ in the title.

    Args:
        axes: where.
        architecture: which.
        pool: trained solutions, with ``role``, ``trace``, ``test_error`` and ``bound``.
        built: the explicit constructions, which τ leaves out.
    """
    found = kendall(pool["trace"], pool["test_error"], resamples=0, test=False)
    tau = f"τ = {format_tau(found.tau)}".replace("-", "−") if found.status == "ok" else ""
    axes.set_title("    ".join(filter(None, (TITLES[architecture], tau))), pad=3)
    shown = pd.concat([pool, built])
    for role, rows in shown.groupby("role"):
        axes.plot(rows["trace"], rows["test_error"], **_look(str(role)))
    for bound in pool["bound"].dropna().unique():
        axes.axvline(bound, **LEAST)
    axes.set_xlabel("Tr ∇²L", labelpad=2)
    axes.set_ylabel("test error", labelpad=2)
    axes.margins(y=0.08)
    scale_traces(axes, "x", np.append(shown["trace"], pool["bound"]).astype(np.float64))
    if shown.empty:
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color="0.4")


def legend_handles() -> list[Line2D]:
    """One handle for each kind of solution, and one for the least trace."""
    handles = [Line2D([], [], label=words, **_look(role)) for role, words in ROLES.items()]
    return [*handles, Line2D([], [], label="least trace known", **LEAST)]


def _look(role: str) -> Look:
    """Marker and colour of a kind of solution."""
    if role == "construction":
        return {"ls": "none", "marker": "*", "ms": 8, "mfc": "none", "mec": "k", "mew": 0.7}
    place = list(ROLES).index(role)
    colour = COLOURS[place]
    return {"ls": "none", "marker": MARKERS[place], "ms": 4, "mfc": colour, "mec": "w", "mew": 0.3}
