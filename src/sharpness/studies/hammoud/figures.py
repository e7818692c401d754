"""Figure 1 of Hammoud et al. (2023) by every procedure: a row each, a column for each network."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sharpness.io.errors import UserError
from sharpness.plots.axes import scale_axis
from sharpness.plots.style import COLOURS
from sharpness.studies.hammoud.correlations import (
    PROCEDURES,
    PUBLISHED,
    Coefficients,
    Published,
    coefficients,
    read_models,
)
from sharpness.studies.hammoud.summary import coefficient, missing, titles

REASON = 230
"""Characters of a reason that a panel has room for."""


def compose(figure: str, files: Mapping[str, Any]) -> Figure:
    """Test loss against sharpness, one point a model of the first base of seeds.

    Args:
        figure: ``hammoud1``.
        files: as for `summary.summarise`.

    Raises:
        UserError: for any other figure.
    """
    if figure != "hammoud1":
        raise UserError(f"figure {figure!r} is not of the small networks; they have hammoud1")
    models, absent = read_models(files["models"]), missing(files["records"])
    titled = titles(files["records"])
    first = models.groupby(["network", "procedure"])["base"].transform("min")
    models = models[models["base"] == first]
    pools = {(found.network, found.procedure): found for found in coefficients(models, resamples=0)}
    rows = list(dict.fromkeys([*PROCEDURES, *models["procedure"]]))
    canvas = Figure(figsize=(7, 0.6 + 2.1 * len(rows)), layout="constrained")
    axes = canvas.subplots(len(rows), len(PUBLISHED), squeeze=False)
    for i, procedure in enumerate(rows):
        for j, (network, published) in enumerate(PUBLISHED.items()):
            if found := pools.get((network, procedure)):
                _scatter(axes[i, j], models, found, published, titled[network])
            elif network in absent and procedure in PROCEDURES:
                axes[i, j].set_title(f"{titled[network]}, {procedure}", pad=3)
                _say(axes[i, j], absent[network])
            else:
                axes[i, j].set_axis_off()  # the configuration has no such pool
    return canvas


def _scatter(
    axes: Axes, models: pd.DataFrame, found: Coefficients, published: Published, title: str
) -> None:
    """The models of a pool; above them its coefficient and the published one."""
    chosen = (models["network"] == found.network) & (models["procedure"] == found.procedure)
    pool = models[chosen].dropna(subset=["sharpness", "test_loss"])
    if len(pool):
        axes.scatter(pool["sharpness"], pool["test_loss"], s=11, color=COLOURS[0], linewidths=0)
        scale_axis(axes, "x", pool["sharpness"].to_numpy())
        scale_axis(axes, "y", pool["test_loss"].to_numpy())
    axes.set_xlabel("Sharpness", labelpad=2)
    axes.set_ylabel("Test loss", labelpad=2)
    lines = (
        f"{title}, {found.procedure}",
        f"τ = {coefficient(found.tau, found.p)}",
        f"published {coefficient(published.tau, published.p)}",
    )
    axes.set_title("\n".join(lines), pad=3)


def _say(axes: Axes, reason: str) -> None:
    """Leave a panel empty and say why."""
    axes.set(xticks=[], yticks=[])
    short = textwrap.shorten(reason, REASON, placeholder=" …")
    text = f"not measured:\n{textwrap.fill(short, 32)}"
    middle = {"transform": axes.transAxes, "ha": "center", "va": "center"}
    axes.text(0.5, 0.5, text, middle, color="0.4", parse_math=False)
