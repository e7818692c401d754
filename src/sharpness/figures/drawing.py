"""One drawing code for every figure of the catalogue: scatter plots, one point per model.

Each panel's title holds the radius and Kendall's τ (Eq. 4) of what it shows. Everything comes from
``pool.csv``; the files carry no date, so the same pool gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure as Canvas

from sharpness.correlation import cell_columns
from sharpness.figures.catalogue import Figure
from sharpness.figures.codings import Looks
from sharpness.figures.layout import Defaults, Grid, lay_out
from sharpness.figures.legend import Legend
from sharpness.figures.panels import draw_panel, label_axes, point_area, share_axes
from sharpness.figures.saving import save
from sharpness.figures.title import title_lines

PAGE = 7.0
"""Width in inches of the widest figure whose panels share their axes: a printed page."""

_WIDTHS = {1: 3.4, 2: 5.0, 3: 6.0}  # inches; a text column is 3.25 wide and a page 6.75


def draw(
    figure: Figure,
    pools: Mapping[str, pd.DataFrame],
    out_stem: str | Path,
    note: str | None = None,
    defaults: Defaults | None = None,
) -> None:
    """Draw one figure to ``<out_stem>.pdf`` and ``<out_stem>.png``.

    Args:
        figure: an entry of the catalogue.
        pools: ``pool.csv`` of each pool that the figure names.
        out_stem: the files' path without suffix.
        note: what to print when the scale is not the paper's, such as "mini: digits".
        defaults: for each pool, the m and steps of cells that name neither.

    Raises:
        Problem: if a pool of the figure, or a column that it codes, is missing.
    """
    save(lambda: compose(figure, pools, note, defaults), out_stem, figure.title)


def compose(
    figure: Figure,
    pools: Mapping[str, pd.DataFrame],
    note: str | None = None,
    defaults: Defaults | None = None,
) -> Canvas:
    """The figure as matplotlib's object, in whatever style is set; the arguments are ``draw``'s."""
    grid = lay_out(figure, pools, defaults or {})
    looks = Looks(figure, _models(pools, figure.pools))
    rows, columns = len(grid.spots), len(grid.spots[0])
    width, panel_height = _sizes(grid)
    measured = looks.models[cell_columns(looks.models)].notna().any(axis=1).sum()
    legend = Legend(looks, point_area(int(measured), width / columns), width)
    title = title_lines(f"Figure {figure.number}. {figure.title}", note, width)
    height = panel_height * rows + 0.45 + 0.15 * len(title) + legend.height
    canvas = Canvas(figsize=(width, height), layout="constrained")
    axes = canvas.subplots(rows, columns, squeeze=False)
    for i, j in product(range(rows), range(columns)):
        spot = grid.spots[i][j]
        if spot is None:
            axes[i, j].set_axis_off()
            continue
        tau = draw_panel(axes[i, j], spot, _models(pools, spot.pools), looks, width / columns)
        axes[i, j].set_title(_heading(grid, i, j, tau), pad=3)
        label_axes(axes[i, j], grid, i, j)
    share_axes(axes, grid, width / columns)
    canvas.align_ylabels(axes if grid.aligned else axes[:, 0])
    canvas.suptitle("\n".join(title))
    legend.draw(canvas, axes)
    return canvas


def _models(pools: Mapping[str, pd.DataFrame], names: tuple[str, ...]) -> pd.DataFrame:
    """The models of several pools, indexed by pool and place; NaN in what a pool lacks."""
    return pd.concat([pools[name] for name in names], keys=names, names=["pool", "place"])


def _sizes(grid: Grid) -> tuple[float, float]:
    """The width of a figure and the height of a row of panels, in inches."""
    columns = len(grid.spots[0])
    width = _WIDTHS.get(columns, PAGE if grid.aligned else 1.75 * columns)
    height = (0.82 if columns > 2 else 0.72) * width / columns
    return width, min(height, 1.2) if grid.aligned else height


def _heading(grid: Grid, i: int, j: int, tau: str) -> str:
    """What stands above a panel: its column at the top, its radius unless all below share it."""
    spot = grid.spots[i][j]
    assert spot is not None
    above = [grid.column_labels[j]] if i == 0 else []
    if grid.aligned:
        lines = [*above, spot.heading if i == 0 else "", tau]
    else:
        lines = [*above, "    ".join(filter(None, (spot.heading, tau)))]
    return "\n".join(filter(None, lines))
