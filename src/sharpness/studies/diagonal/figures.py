"""Figure 7: measures of generalization against the test loss of diagonal linear networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from sharpness.io.errors import UserError
from sharpness.plots.axes import draw_diagonal, scale_axis, set_ticks
from sharpness.plots.style import RAMP
from sharpness.plots.text import format_tau
from sharpness.statistics.kendall import kendall
from sharpness.studies.diagonal.summary import MEASURES, converged

LABELS = {
    "trace": r"$\mathrm{tr}\,\nabla^2L$",
    "rescaled_trace": r"$\mathrm{tr}\,\tilde{\nabla}^2L$",
    "rescaled_eigenvalue": r"$\lambda_{\max}\,\tilde{\nabla}^2L$",
    "l1": r"$\|\beta\|_1$",
    "linf": r"$\|\beta\|_\infty$",
}
SIZE = (7.0, 4.4)
"""Inches."""


def compose(figure: str, files: Mapping[str, Sequence[Path]]) -> Figure:
    """Six panels with τ above each, from the networks of the first seed.

    Args:
        figure: ``fig7``.
        files: ``networks``, a file for each seed.

    Raises:
        UserError: for any other figure.
    """
    if figure != "fig7":
        raise UserError(f"figure {figure!r} is not of the diagonal networks; they have fig7")
    networks = converged(files["networks"][0])
    canvas = Figure(figsize=SIZE, layout="constrained")
    panels = list(canvas.subplots(2, 3).flat)
    scale = networks["scale"].to_numpy()

    half = networks["rescaled_trace"].to_numpy() / 2
    _panel(panels[0], networks["l1"].to_numpy(), half, scale)
    panels[0].set(xlabel=LABELS["l1"], ylabel=rf"$\frac{{1}}{{2}}\,${LABELS['rescaled_trace']}")
    draw_diagonal(panels[0])

    for axes, column in zip(panels[1:], MEASURES, strict=True):
        _panel(axes, networks[column].to_numpy(), networks["test_loss"].to_numpy(), scale)
        axes.set(xlabel=LABELS[column], ylabel="test loss")

    points = panels[0].collections[0]
    bar = canvas.colorbar(points, ax=panels, shrink=0.5, aspect=30, label="initial scale α")
    set_ticks(bar.ax.yaxis, scale.min(), scale.max(), logarithmic=False)
    return canvas


def _panel(axes: Axes, x: np.ndarray, y: np.ndarray, scale: np.ndarray) -> None:
    """Networks as points, the darker the larger their initial weights."""
    axes.scatter(x, y, s=9, c=scale, cmap=RAMP, norm=LogNorm(), alpha=0.85, lw=0.2, edgecolors="w")
    scale_axis(axes, "x", x)
    scale_axis(axes, "y", y)
    found = kendall(x, y, resamples=0, test=False)
    tau = format_tau(found.tau).replace("-", "−") if found.status == "ok" else "–"
    axes.set_title(f"τ = {tau}", pad=3)
