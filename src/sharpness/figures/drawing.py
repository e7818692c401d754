"""One drawing code for every figure of the catalogue: scatter plots, one point per model.

Each panel's title holds the radius and Kendall's τ (Eq. 4) of what it shows. Everything comes from
``pool.csv``; the files carry no date, so the same pool gives the same bytes.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from sharpness.figures.axes import draw_diagonal, scale_axis
from sharpness.figures.catalogue import Figure
from sharpness.figures.layout import COMPARED, Axis, Defaults, Grid, Spot, lay_out
from sharpness.files import atomic
from sharpness.kendall import FEWEST, kendall
from sharpness.tables.formats import format_tau

STYLE: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
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

# Okabe and Ito's colours, which colour-blind readers tell apart too; the markers differ as well.
_LOOKS = (
    ("#0072B2", "o"),
    ("#E69F00", "s"),
    ("#009E73", "^"),
    ("#D55E00", "D"),
    ("#CC79A7", "v"),
    ("#56B4E9", "P"),
    ("#F0E442", "X"),
    ("#000000", "*"),
)
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
        Problem: if a pool of the figure is missing.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        canvas = compose(figure, pools, note, defaults)
        for suffix, metadata in (
            ("pdf", {"CreationDate": None, "Title": figure.title}),
            ("png", {"Software": None}),
        ):
            with atomic(f"{out_stem}.{suffix}") as temporary:
                canvas.savefig(temporary, format=suffix, metadata=metadata)


def compose(
    figure: Figure,
    pools: Mapping[str, pd.DataFrame],
    note: str | None = None,
    defaults: Defaults | None = None,
) -> Canvas:
    """The figure as matplotlib's object, in whatever style is set; the arguments are ``draw``'s."""
    grid = lay_out(figure, pools, defaults or {})
    rows, columns = len(grid.spots), len(grid.spots[0])
    width = _WIDTHS.get(columns, 1.75 * columns)
    height = (0.82 if columns > 2 else 0.72) * width / columns * rows + (0.75 if note else 0.6)
    canvas = Canvas(figsize=(width, height), layout="constrained")
    axes = canvas.subplots(rows, columns, squeeze=False)
    looks = _looks(figure, pools)
    for i, j in product(range(rows), range(columns)):
        spot = grid.spots[i][j]
        if spot is None:
            axes[i, j].set_axis_off()
            continue
        shown = _panel(axes[i, j], spot, pools[spot.pool], figure, looks)
        header = grid.column_labels[j] if i == 0 else ""
        axes[i, j].set_title("\n".join(filter(None, (header, shown))), pad=3)
        _label(axes[i, j], grid, i, j)
    _share(axes, grid)
    canvas.align_ylabels(axes[:, 0])
    title = f"Figure {figure.number}. {figure.title}"
    lines = textwrap.wrap(title, int(width * 15)) + ([f"[{note}]"] if note else [])
    canvas.suptitle(_symbols("\n".join(lines)))
    canvas.legend(
        handles=[
            Line2D([], [], color=colour, marker=marker, linestyle="", markersize=4, label=name)
            for name, (colour, marker) in looks.items()
        ],
        loc="outside lower center",
        ncols=2 if width < 4 else 4,
    )
    return canvas


def _panel(
    axes: Axes,
    spot: Spot,
    pool: pd.DataFrame,
    figure: Figure,
    looks: Mapping[str, tuple[str, str]],
) -> str:
    """Draw the models of one panel, or why there are none; returns its title."""
    if any("@" in axis.column and axis.column not in pool for axis in (spot.x, spot.y)):
        return _nothing(axes, spot, "the pool has no such cell")
    for axis in (spot.x, spot.y):
        if axis.column not in pool or pool[axis.column].isna().all():
            return _nothing(axes, spot, f"the pool has no {axis.label.removesuffix(' (%)')}")
    x, y = (pool[axis.column].to_numpy(np.float64) * axis.factor for axis in (spot.x, spot.y))
    found = kendall(x, y, resamples=0, test=False)
    if found.models < FEWEST:
        return _nothing(axes, spot, found.reason)
    names = _groups(pool, figure.colour)
    whole = np.isfinite(x) & np.isfinite(y)
    size = 11 if found.models < 60 else 6
    for name, (colour, marker) in looks.items():
        of = (names == name) & whole
        axes.scatter(
            x[of], y[of], s=size, c=colour, marker=marker, alpha=0.85, lw=0.2, edgecolors="w"
        )
    scale_axis(axes, "x", x[whole])
    scale_axis(axes, "y", y[whole])
    if {spot.x.label, spot.y.label} == set(COMPARED):
        draw_diagonal(axes)
    tau = format_tau(found.tau).replace("-", "−") if found.status == "ok" else "–"
    return f"{spot.heading}    τ = {tau}".strip()


def _nothing(axes: Axes, spot: Spot, reason: str) -> str:
    """An empty panel that says why it is empty; returns its title."""
    axes.set(xticks=[], yticks=[])
    text = "not measured:\n" + textwrap.fill(reason, 26)
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="0.4")
    return spot.heading


def _label(axes: Axes, grid: Grid, i: int, j: int) -> None:
    """Name the axes where a neighbour does not name them already."""
    spots = grid.spots
    spot = spots[i][j]
    assert spot is not None
    below = spots[i + 1][j] if i + 1 < len(spots) else None
    if below is None or below.x.label != spot.x.label:
        axes.set_xlabel(spot.x.label, labelpad=2)
    before = spots[i][j - 1] if j else None
    if before is None or before.y.label != spot.y.label:
        row = grid.row_labels[i] if j == 0 else ""
        axes.set_ylabel("\n".join(filter(None, (row, spot.y.label))), labelpad=2)


def _share(axes: np.ndarray, grid: Grid) -> None:
    """One scale for the panels of a row that show the same errors of the same pool."""
    for i, row in enumerate(grid.spots):
        first: dict[tuple[str, Axis], Axes] = {}
        for j, spot in enumerate(row):
            if spot is None or not axes[i, j].collections or "@" in spot.y.column:
                continue
            leader = first.setdefault((spot.pool, spot.y), axes[i, j])
            if leader is not axes[i, j]:
                axes[i, j].sharey(leader)
                axes[i, j].tick_params(labelleft=False)


def _looks(figure: Figure, pools: Mapping[str, pd.DataFrame]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each group of models; the four of augment × mixup are always there."""
    values = []
    for column in figure.colour:
        found = {v for name in figure.pools for v in pools[name][column].dropna().unique()}
        values.append(sorted(found | {0, 1} if found <= {0, 1} else found))
    names = [_group(figure.colour, combination) for combination in product(*values)]
    return {name: _LOOKS[index % len(_LOOKS)] for index, name in enumerate(names)}


def _groups(pool: pd.DataFrame, by: tuple[str, ...]) -> np.ndarray:
    return np.array([_group(by, row) for row in pool[list(by)].itertuples(index=False, name=None)])


def _group(by: tuple[str, ...], values: tuple[float, ...]) -> str:
    """Words for one combination: "augment + mixup", "neither"; "wd = 0.1" beyond 0 and 1."""
    if set(values) <= {0, 1}:
        on = [name for name, value in zip(by, values, strict=True) if value]
        return " + ".join(on) or ("neither" if len(by) == 2 else "none")
    return ", ".join(f"{name} = {value:g}" for name, value in zip(by, values, strict=True))


def _symbols(text: str) -> str:
    """Norms with their index, which Unicode lacks for ∞."""
    return text.replace("ℓ∞", r"$\ell_\infty$").replace("ℓ2", r"$\ell_2$")
