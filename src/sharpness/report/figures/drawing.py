"""Draw the figures of the catalogue: scatter plots with one point per model.

Each panel's title holds the radius and Kendall's τ (Eq. 4) of its points; a CSV file beside the
figure holds all of them. All data come from ``pool.csv``. The files carry no date, so equal pools
give equal bytes. The ``width`` of a panel is in inches and includes its margins.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from sharpness.io.files import write_csv
from sharpness.plots.style import (
    TICKS,
    Scale,
    draw_diagonal,
    save_figure,
    scale_axis,
    title_lines,
)
from sharpness.report.figures.catalogue import COMPARED, Figure
from sharpness.report.figures.codings import Legend, PointEncoding, taus_within
from sharpness.report.figures.layout import Defaults, Grid, lay_out
from sharpness.report.figures.panels import (
    TAU_COLUMNS,
    PanelData,
    axis_scales,
    models_of,
    panel_data,
    tau_rows,
)
from sharpness.statistics.correlation import cell_columns
from sharpness.statistics.kendall import format_tau

NARROW = 1.5
"""Panels narrower than this, in inches, have smaller points, fewer ticks and shorter lines."""


def point_area(models: int, width: float) -> float:
    """Return the area of an ordinary point, in square points, for a number of models per panel."""
    return (11 if models < 60 else 6) * (1.0 if width >= NARROW else 0.7)


def draw_panel(
    axes: Axes,
    panel: PanelData,
    encoding: PointEncoding,
    width: float,
    scales: Mapping[str, Scale],
) -> str:
    """Draw the models of one panel, or write the reason why there are none.

    Returns:
        A title with the pools that have no point and τ, such as ``τ = −0.12``; empty if the panel
        is empty.
    """
    if panel.reason:
        return _say(axes, panel.reason, width)
    found, spec = panel.found, panel.spec
    encoding.scatter(axes, panel.models, panel.x, panel.y, point_area(found.models, width))
    _scale("x", [axes], width, scales[spec.x.label])
    _scale("y", [axes], width, scales[spec.y.label])
    if {spec.x.label, spec.y.label} == set(COMPARED):
        draw_diagonal(axes)
    tau = f"τ = {format_tau(found.tau).replace('-', '−') if found.status == 'ok' else '–'}"
    return "\n".join([*(f"without {name}" for name in panel.absent), tau])


WITHIN = 13
"""Distance of a panel's title, in points, that leaves room for a line of τ within subgroups."""


def _draw_within(axes: Axes, panel: PanelData, encoding: PointEncoding) -> bool:
    """Write τ within each subgroup above a panel; return whether the panel has points."""
    if panel.reason:
        return False
    samples = taus_within(encoding, panel.models, panel.x, panel.y)
    axes.legend(
        handles=samples,
        loc="lower center",
        bbox_to_anchor=(0.5, 0.98),
        ncols=len(samples),
        fontsize=5.5,
        markerscale=0.8,
        handlelength=0.8,
        handletextpad=0.5,
        columnspacing=0.6,
        borderpad=0.1,
    )
    return True


def _say(axes: Axes, reason: str, width: float) -> str:
    """Write the reason into an empty panel and return an empty title."""
    axes.set(xticks=[], yticks=[])
    text = "not measured:\n" + textwrap.fill(reason, 26 if width >= NARROW else int(17 * width))
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="0.4")
    return ""


def _wrapped(label: str, width: int) -> str:
    return textwrap.fill(label, width, break_on_hyphens=False)


ROW_LABEL = 16
"""Characters per line of a row's label."""


def label_axes(axes: Axes, grid: Grid, i: int, j: int) -> None:
    """Label the axes of panel (i, j) unless the panel below or to the left has the same label."""
    specs = grid.specs
    spec = specs[i][j]
    assert spec is not None
    below = specs[i + 1][j] if i + 1 < len(specs) else None
    if below is None or below.x.label != spec.x.label:
        axes.set_xlabel(spec.x.label, labelpad=2)
    before = specs[i][j - 1] if j else None
    if before is None or before.y.label != spec.y.label:
        row = _wrapped(grid.row_labels[i], ROW_LABEL) if j == 0 else ""
        axes.set_ylabel("\n".join(filter(None, (row, spec.y.label))), labelpad=2)


def share_axes(axes: np.ndarray, grid: Grid, width: float, scales: Mapping[str, Scale]) -> None:
    """Share the y axis among equal errors of a row, and the x axis in columns of aligned grids.

    ``axes`` has the shape (rows, columns).
    """
    for panels, specs in zip(axes, grid.specs, strict=True):
        shown = [(spec.pools, spec.y) if spec else None for spec in specs]
        for what in dict.fromkeys(shown):
            if what is None or "@" in what[1].column:
                continue
            alike = [j for j, panel in enumerate(panels) if shown[j] == what and panel.collections]
            _share("y", [panels[j] for j in alike], width, scales[what[1].label])
            for j in alike[1:]:
                if shown[j - 1] == what:
                    panels[j].tick_params(labelleft=False)
    for column, spec in zip(axes.T, grid.specs[0], strict=True) if grid.aligned else ():
        drawn = [panel for panel in column if panel.collections]
        assert spec is not None
        _share("x", drawn, width, scales[spec.x.label])
        for panel in drawn[:-1]:
            panel.tick_params(labelbottom=False)


def _share(which: Literal["x", "y"], panels: list[Axes], width: float, scale: Scale) -> None:
    if len(panels) > 1:
        _scale(which, panels, width, scale)
    for panel in panels[1:]:
        (panel.sharex if which == "x" else panel.sharey)(panels[0])


def _scale(which: Literal["x", "y"], panels: list[Axes], width: float, scale: Scale) -> None:
    """Set one scale and the same ticks on all panels, for all their points."""
    points = [np.asarray(found.get_offsets()) for panel in panels for found in panel.collections]
    values = np.concatenate(points)[:, 0 if which == "x" else 1]
    ticks = 2 if which == "x" and width < NARROW else TICKS
    for panel in panels:
        scale_axis(panel, which, values, scale, ticks)


PAGE = 7.0
"""Largest width of a figure, in inches: a printed page."""

_WIDTHS = {1: 3.4, 2: 5.0, 3: 6.0}  # inches; a text column is 3.25 wide and a page 6.75


def draw_figure(
    figure: Figure,
    pools: Mapping[str, pd.DataFrame],
    out_stem: str | Path,
    note: str | None = None,
    defaults: Defaults | None = None,
) -> None:
    """Draw a figure of the catalogue to ``<out_stem>.pdf`` and ``.png``, with its τ in ``.csv``.

    ``pools`` holds the contents of each pool's ``pool.csv``. ``note`` is printed in the title when
    the scale is not the paper's, such as "mini: digits". ``defaults`` holds, for each pool, the m
    and steps of cells that name neither.

    Raises:
        UserError: if a pool of the figure, or a column that it codes, is missing.
    """
    save_figure(lambda: compose(figure, pools, note, defaults), out_stem, figure.title)
    write_csv(f"{out_stem}.csv", tau_rows(figure, pools, defaults or {}), TAU_COLUMNS)


def compose(
    figure: Figure,
    pools: Mapping[str, pd.DataFrame],
    note: str | None = None,
    defaults: Defaults | None = None,
) -> Canvas:
    """Return the figure as a matplotlib object in the current style; see `draw_figure`."""
    grid = lay_out(figure, pools, defaults or {})
    encoding = PointEncoding(figure, models_of(pools, figure.pools))
    rows, columns = len(grid.specs), len(grid.specs[0])
    width, panel_height = _sizes(grid)
    measured = encoding.models[cell_columns(encoding.models)].notna().any(axis=1).sum()
    legend = Legend(encoding, point_area(int(measured), width / columns), width)
    named = figure.title if figure.name == figure.title else f"{figure.name}. {figure.title}"
    title = title_lines(named, note, width)
    panel_height += 0.14 if figure.within else 0.0
    height = panel_height * rows + 0.45 + 0.15 * len(title) + legend.height
    canvas = Canvas(figsize=(width, height), layout="constrained")
    axes = canvas.subplots(rows, columns, squeeze=False)
    shown = {
        (i, j): panel_data(spec, pools)
        for i, specs in enumerate(grid.specs)
        for j, spec in enumerate(specs)
        if spec is not None
    }
    scales = axis_scales([*shown.values()])
    for i, j in product(range(rows), range(columns)):
        if (i, j) not in shown:
            axes[i, j].set_axis_off()
            continue
        tau = draw_panel(axes[i, j], shown[i, j], encoding, width / columns, scales)
        within = figure.within and _draw_within(axes[i, j], shown[i, j], encoding)
        heading = _heading(grid, i, j, tau, width / columns)
        axes[i, j].set_title(heading, pad=WITHIN if within else 3)
        label_axes(axes[i, j], grid, i, j)
    share_axes(axes, grid, width / columns, scales)
    canvas.align_ylabels(axes if grid.aligned else axes[:, 0])
    canvas.suptitle("\n".join(title))
    legend.draw(canvas, axes)
    return canvas


def _sizes(grid: Grid) -> tuple[float, float]:
    """Return the width of a figure and the height of a row of panels, in inches."""
    columns = len(grid.specs[0])
    width = _WIDTHS.get(columns, PAGE)
    height = (0.82 if columns > 2 else 0.72) * width / columns
    return width, min(height, 1.2) if grid.aligned else max(height, 1.2)


def _heading(grid: Grid, i: int, j: int, tau: str, width: float) -> str:
    """Return a panel's title; in aligned grids the radius appears in the top row only."""
    spec = grid.specs[i][j]
    assert spec is not None
    above = _wrapped(grid.column_labels[j], int(14 * width)) if i == 0 else ""
    heading = spec.heading
    if grid.aligned:
        lines = [above, heading if i == 0 else "", tau]
    elif width < NARROW:
        lines = [above, heading, tau]
    else:
        lines = [above, "    ".join(filter(None, (heading, tau)))]
    return "\n".join(filter(None, lines))
