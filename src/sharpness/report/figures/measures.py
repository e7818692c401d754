"""The figure of all measures beside the headline cells: τ with its interval, a column a pool.

It is not one of the catalogue, whose panels show models; its data are ``measures.csv``.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from sharpness.measures.definition import IN_ORDER, Cell
from sharpness.measures.measurement import Measurement, is_cell
from sharpness.measures.registry import measures
from sharpness.plots.style import COLOURS, save_figure, title_lines
from sharpness.statistics.correlation import format_radius
from sharpness.statistics.measures import TARGETS
from sharpness.statistics.permutation import SIGNIFICANT

_LOOKS = dict(zip(TARGETS, ((-0.17, 0, "o"), (0.17, 1, "s")), strict=True))
_TITLES = {"error_test": "test error", "gap": "generalization gap"}


def draw_measures(
    pools: Mapping[str, pd.DataFrame], out_stem: str | Path, title: str, note: str | None
) -> None:
    """Draw ``<out_stem>.pdf`` and ``<out_stem>.png``.

    Args:
        pools: the contents of ``measures.csv`` by the title of the pool.
        out_stem: the path without a suffix.
        title: of the figure.
        note: printed below the title, such as the scale.
    """
    save_figure(lambda: _compose(pools, title, note), out_stem, title)


def _compose(pools: Mapping[str, pd.DataFrame], title: str, note: str | None) -> Canvas:
    words = [word for found in pools.values() for word in found["cell"]]
    rows = sorted(set(words), key=_place)
    width, height = 2.4 + 1.05 * len(pools), 1.3 + 0.19 * len(rows)
    canvas = Canvas(figsize=(width, height), layout="constrained")
    canvas.suptitle("\n".join(title_lines(title, note, width)))
    panels = canvas.subplots(1, len(pools), sharey=True, squeeze=False)[0]
    for axes, (pool, found) in zip(panels, pools.items(), strict=True):
        _panel(axes, found.assign(row=found["cell"].map(rows.index)))
        axes.set_title(textwrap.fill(pool, 18, break_on_hyphens=False), fontsize=6, pad=3)
    panels[0].set_yticks(range(len(rows)), [_label(word) for word in rows])
    panels[0].set_ylim(len(rows) - 0.4, -0.6)
    canvas.legend(handles=_samples(), loc="outside lower center", ncols=4)
    return canvas


def _place(word: str) -> tuple[int, float, str]:
    """Return a key that sorts cells by definition, then measures as the registry, by radius."""
    if is_cell(word):
        cell = Cell.parse(word)
        return (IN_ORDER.index(cell.definition), cell.radius, "")
    found = Measurement.parse(word)
    return (len(IN_ORDER) + [*measures()].index(found.name), found.radius or 0.0, found.variant)


def _label(word: str) -> str:
    """Return a measure's id; for a cell, its title with radius and number of starts."""
    if not is_cell(word):
        return word
    cell = Cell.parse(word)
    normalized = ", normalized" if cell.definition.logit_norm else ""
    starts = "" if cell.restarts in (None, 1) else f", {cell.restarts} starts"
    title = title_lines(cell.definition.title, None, 9)[0]
    return f"{title}{normalized}{starts} @{format_radius(cell.radius)}"


def _panel(axes: Axes, found: pd.DataFrame) -> None:
    """Draw τ of one pool with each target."""
    for target, (shift, colour, marker) in _LOOKS.items():
        rows = found[(found["target"] == target) & (found["status"] == "ok")]
        place, paint = rows["row"] + shift, COLOURS[colour]
        axes.hlines(place, rows["low"], rows["high"], color=paint, linewidth=0.8)
        fill = [paint if sure else "white" for sure in rows["p"] < SIGNIFICANT]
        look: Any = {"s": 11, "marker": marker, "edgecolors": paint, "linewidths": 0.7, "zorder": 3}
        axes.scatter(rows["tau"], place, c=fill, **look)
        known = rows[rows["ceiling"] >= rows["tau"].abs()]
        for sign in (-1, 1):
            ends: Any = {"marker": "|", "s": 9, "linewidths": 0.6, "color": "0.5"}
            axes.scatter(sign * known["ceiling"], known["row"] + shift, **ends)
    axes.axvline(0, color="0.6", linewidth=0.6)
    axes.set(xlim=(-1.08, 1.08), xticks=(-1, 0, 1), xlabel="τ")


def _samples() -> list[Line2D]:
    """Return the samples of the legend."""
    with_targets = [
        Line2D([], [], color=COLOURS[colour], marker=marker, markersize=3.5, label=_TITLES[target])
        for target, (_, colour, marker) in _LOOKS.items()
    ]
    look: Any = {"color": "0.3", "marker": "o", "markersize": 3.5, "linestyle": ""}
    sure = Line2D([], [], label=f"adjusted p < {SIGNIFICANT}", **look)
    ceiling = Line2D([], [], color="0.5", marker="|", linestyle="", label="ceiling")
    return [*with_targets, sure, ceiling]
