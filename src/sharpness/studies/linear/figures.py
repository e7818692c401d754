"""Figure 1 as published and, beside it, the adaptive definitions of this project."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from sharpness.io.errors import UserError
from sharpness.measures.definition import Definition
from sharpness.plots.style import COLOURS, MARKERS, RAMP

RANGE = (1e-8, 1)
"""Of the logarithmic axes; a curve that falls to zero leaves it through the bottom."""


def compose(figure: str, files: Mapping[str, Path]) -> Figure:
    """The figure with this id.

    Args:
        figure: ``fig1``.
        files: ``curves``, rows of ``curves.COLUMNS``.

    Raises:
        UserError: for any other figure.
    """
    if figure != "fig1":
        raise UserError(f"figure {figure!r} is not of the linear model; it has fig1")
    table = pd.read_csv(files["curves"])
    published, ours = (table[table["part"] == part] for part in ("published", "ours"))
    canvas = Figure(figsize=(7, 3), layout="constrained")
    left, middle, right = canvas.subplots(1, 3)
    _published(left, published)
    _adaptive(middle, ours, logit_norm=False)
    _adaptive(right, ours, logit_norm=True)
    left.set_ylabel("Sharpness")
    handles, labels = right.get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside lower right", ncols=2, columnspacing=2)
    return canvas


def _published(axes: Axes, curves: pd.DataFrame) -> None:
    """The hump at each radius."""
    radii = sorted(curves["radius"].unique())
    for place, radius in enumerate(radii):
        curve = curves[curves["radius"] == radius]
        _line(axes, curve, place, f"ρ = {radius:g}", color=RAMP(place / (len(radii) - 1)))
    axes.set_title("As published: 2 classes, ‖δ‖₂ ≤ ρ‖w‖₂")
    axes.legend(loc="upper right")


def _adaptive(axes: Axes, curves: pd.DataFrame, logit_norm: bool) -> None:
    """A line for each definition that does, or does not, normalize the logits."""
    found = [Definition.parse(word) for word in curves["definition"].unique()]
    for place, definition in enumerate(d for d in found if d.logit_norm is logit_norm):
        curve = curves[curves["definition"] == definition.id]
        label = f"{definition.title}, ρ = {curve['radius'].iloc[0]:.2g}"
        _line(axes, curve, place, label, color=COLOURS[place])
    axes.set_yscale("log", nonpositive="clip")
    axes.set_ylim(RANGE)
    axes.yaxis.set_minor_locator(NullLocator())
    words = "with logit normalization" if logit_norm else "without logit normalization"
    axes.set_title(f"{curves['classes'].iloc[0]} classes, {words}")


def _line(axes: Axes, curve: pd.DataFrame, place: int, label: str, color: Any) -> None:
    """One curve over the scales."""
    x, y = curve["scale"], curve["sharpness"]
    axes.plot(x, y, color=color, marker=MARKERS[place], ms=2.2, lw=0.9, label=label)
    axes.set_xscale("log")
    axes.set_xlim(2**-10.5, 2**10.5)
    axes.xaxis.set_major_locator(LogLocator(10, numticks=9))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("Factor of the weights")
