"""The figures of Wen, Ma and Li (2023) from our solutions, and the pools of all solutions."""

from __future__ import annotations

from itertools import cycle, groupby

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sharpness.figures.codings import COLOURS
from sharpness.problem import Problem
from sharpness.simple.two_layer_relu.catalogue import (
    POOL,
    Catalogue,
    architectures,
    load_catalogue,
)
from sharpness.simple.two_layer_relu.curves import ACTIVE, FITTED, LEAST, draw_curves, share_traces
from sharpness.simple.two_layer_relu.neurons import draw_neurons, first_layer
from sharpness.simple.two_layer_relu.reading import Files, in_pool, read
from sharpness.simple.two_layer_relu.scatter import draw_solutions, legend_handles

NEURONS = "wen2"
"""The figure that shows the neurons beside the curves."""

ENTRY = 1.2
"""Inches that an entry of a legend takes, on average."""


def compose(figure: str, files: Files) -> Figure:
    """A figure as matplotlib's object, in whatever style is set.

    Args:
        figure: its id in the catalogue.
        files: ``catalogue``, the path of the experiments; ``solutions``, ``curves`` and, for
            ``wen2``, ``weights``, those of the jobs' files.

    Raises:
        Problem: the catalogue has no such figure, or a file is missing.
    """
    catalogue = load_catalogue(files["catalogue"])
    if figure not in catalogue.drawn:
        raise Problem(f"figure {figure!r} is unknown; one of {', '.join(catalogue.drawn)}")
    if figure == POOL:
        return _pools(catalogue, files)
    return _curves(figure, catalogue, files)


def _curves(figure: str, catalogue: Catalogue, files: Files) -> Figure:
    """Every run of a figure in a column: the error above, the trace below."""
    solutions, curves = read(files, "solutions"), read(files, "curves")
    runs = catalogue.shown(figure)
    shown = curves[curves["run"].isin([run.id for run in runs])]
    colours = dict(zip(sorted(set(shown["seed"])), cycle(COLOURS), strict=False))
    columns = len(runs) + (figure == NEURONS)
    canvas = Figure(figsize=(min(2.5 * columns, 7.0), 4.0), layout="constrained")
    axes = canvas.subplots(2, columns, squeeze=False)
    for place, run in enumerate(runs):
        draw_curves(axes[0, place], axes[1, place], run, solutions, shown, colours)
    for _, alike in groupby(range(len(runs)), lambda place: runs[place].architecture):
        share_traces([axes[1, place] for place in alike])
    if figure == NEURONS:
        W1 = first_layer(files, runs[0], min(runs[0].seeds))
        draw_neurons(axes[0, -1], axes[1, -1], W1)
    handles = [
        Line2D([], [], color=colour, linewidth=0.9, label=f"seed {seed}")
        for seed, colour in colours.items()
    ]
    if not np.allclose(shown["trace"], shown["gauss_newton"]):
        handles.append(Line2D([], [], color="k", label="without the residuals' part", **FITTED))
    if any(run.pool and run.architecture in catalogue.table1 for run in runs):
        handles.append(Line2D([], [], label="least trace known", **LEAST))
    if solutions["active_bound"][solutions["run"].isin(shown["run"])].notna().any():
        handles.append(Line2D([], [], label="least with as many active neurons", **ACTIVE))
    across = len(handles) if len(handles) * ENTRY <= canvas.get_figwidth() else 3
    canvas.legend(handles=handles, loc="outside lower center", ncols=across)
    return canvas


def _pools(catalogue: Catalogue, files: Files) -> Figure:
    """Every architecture in a panel: test error against the trace."""
    solutions = read(files, "solutions")
    canvas = Figure(figsize=(7.0, 4.6), layout="constrained")
    groups = architectures(run for run in catalogue.runs if run.pool)
    panels = canvas.subplots(-(-len(groups) // 3), 3, squeeze=False).ravel()
    for axes in panels:
        axes.set_axis_off()
    for axes, (architecture, runs) in zip(panels, groups.items(), strict=False):
        axes.set_axis_on()
        built = (solutions["role"] == "construction") & (solutions["architecture"] == architecture)
        draw_solutions(axes, architecture, in_pool(solutions, runs), solutions[built])
    handles = legend_handles()
    canvas.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return canvas
