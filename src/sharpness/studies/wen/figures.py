"""The figures of Wen, Ma and Li (2023) from our solutions, and one of all pools of solutions."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle, groupby
from textwrap import fill
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sharpness.io.errors import UserError
from sharpness.plots.style import COLOURS, MARKERS, Scale, common_scale, scale_axis
from sharpness.statistics.kendall import format_tau, kendall
from sharpness.studies.wen.runs import POOL, TITLES, Catalogue, Run, architectures, load_runs
from sharpness.studies.wen.scales import Values, scale_traces, share_traces, trace_scale
from sharpness.studies.wen.summary import (
    Files,
    describe_training,
    in_pool,
    of_run,
    paths_of,
    read_tables,
)

Look = dict[str, Any]
"""Keyword arguments of matplotlib's lines."""

LEAST: Look = {"color": "0.25", "linewidth": 0.9, "linestyle": "--", "zorder": 1.5}
"""Style of the line at the least trace of an interpolator."""

ACTIVE: Look = {**LEAST, "linestyle": "-."}
"""Style of the line at the least trace with the active neurons."""

TITLE = 34
"""Characters per line of a panel's title."""

FITTED: Look = {"linewidth": 0.9, "linestyle": ":"}
"""Style of the curve of `measures.gauss_newton`."""


def draw_curves(
    above: Axes,
    below: Axes,
    run: Run,
    solutions: pd.DataFrame,
    curves: pd.DataFrame,
    colours: Mapping[int, str],
    scales: Mapping[str, Scale],
) -> None:
    """Draw test error and trace of a run over the epochs, one line per seed.

    ``above`` gets the test accuracy, or on the ball the test mean squared error; ``below`` Tr ∇²L,
    with its part without the residuals dotted where it differs. ``solutions`` and ``curves`` have
    the columns `solutions.COLUMNS` and `solutions.POINTS`; ``colours`` are by seed, ``scales``
    those of the columns ``epoch`` and ``test_error``.
    """
    name = f"({run.panel}) {run.title}{' (ours)' * run.ours}"
    said = [name, *describe_training(run, solutions).split(", ")]
    above.set_title("\n".join(fill(line, TITLE) for line in said), pad=3)
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
        scale_axis(above, "y", points["shown"].to_numpy(np.float64), scales["test_error"])
    for axes in (above, below):
        scale_axis(axes, "x", points["epoch"].to_numpy(np.float64), scales["epoch"])
    above.tick_params(labelbottom=False)


ROLES = {
    "baseline": "weight decay",
    "sgd": "SGD",
    "label-noise": "label-noise SGD",
    "sam": "1-SAM",
    "construction": "explicit construction",
}
"""Legend entry of each kind of solution."""


def shown_traces(pool: pd.DataFrame, built: pd.DataFrame) -> Values:
    """Return the traces of solutions and constructions, and the least ones known."""
    return np.concatenate([pool["trace"], built["trace"], pool["bound"]]).astype(np.float64)


def draw_solutions(
    axes: Axes, architecture: str, pool: pd.DataFrame, built: pd.DataFrame, scale: Scale | None
) -> None:
    """Draw the solutions of an architecture as points, with their τ in the title.

    ``pool`` has trained solutions with ``role``, ``trace``, ``test_error`` and ``bound``; ``built``
    the explicit constructions, which τ leaves out; ``scale`` is that of the traces.
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
    if len(shown):
        errors = shown["test_error"].to_numpy(np.float64)
        scale_axis(axes, "y", errors, common_scale([errors], linear=True))
    scale_traces(axes, "x", shown_traces(pool, built), scale)
    if shown.empty:
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color="0.4")


def legend_handles() -> list[Line2D]:
    """Return a legend handle for each kind of solution, and one for the least trace."""
    handles = [Line2D([], [], label=words, **_look(role)) for role, words in ROLES.items()]
    return [*handles, Line2D([], [], label="least trace known", **LEAST)]


def _look(role: str) -> Look:
    if role == "construction":
        return {"ls": "none", "marker": "*", "ms": 8, "mfc": "none", "mec": "k", "mew": 0.7}
    place = list(ROLES).index(role)
    colour = COLOURS[place]
    return {"ls": "none", "marker": MARKERS[place], "ms": 4, "mfc": colour, "mec": "w", "mew": 0.3}


def first_layer(files: Files, run: Run, seed: int) -> npt.NDArray[np.floating]:
    """Return W1 of a solution, (m, d).

    Raises:
        UserError: if no file of weights has it.
    """
    from safetensors import safe_open

    name = f"{run.id}/{seed}/W1"
    for path in paths_of(files, "weights"):
        with safe_open(path, framework="np") as stream:
            if name in stream.keys():  # noqa: SIM118
                return stream.get_tensor(name)
    raise UserError(f"{name} is in no file of weights; make two_layer_relu again")


def draw_neurons(above: Axes, below: Axes, W1: npt.NDArray[np.floating]) -> None:
    """Draw each neuron's first two weights above, and the column norms of W1, (m, d), below."""
    above.scatter(W1[:, 0], W1[:, 1], s=7, color=COLOURS[0], alpha=0.7, lw=0)
    above.set_xlabel("first weight of the neuron", labelpad=2)
    above.set_ylabel("second weight", labelpad=2)
    norms = np.linalg.norm(W1, axis=0)
    places = np.arange(1, len(norms) + 1)
    colours = [COLOURS[3] if place <= 2 else COLOURS[0] for place in places]
    below.bar(places, norms, color=colours, width=0.75)
    below.set_xlabel("input", labelpad=2)
    below.set_ylabel("column norm of W1", labelpad=2)


NEURONS = "wen2"
"""The figure that shows the neurons beside the curves."""

ENTRY = 1.2
"""Average width of a legend entry in inches."""


def compose(figure: str, files: Files) -> Figure:
    """Return a figure of the catalogue.

    ``files`` has the paths ``catalogue``, ``solutions``, ``curves`` and, for "wen2", ``weights``.

    Raises:
        UserError: if the catalogue has no such figure, or a file is missing.
    """
    catalogue = load_runs(files["catalogue"])
    if figure not in catalogue.drawn:
        raise UserError(f"figure {figure!r} is unknown; one of {', '.join(catalogue.drawn)}")
    if figure == POOL:
        return _pools(catalogue, files)
    return _curves(figure, catalogue, files)


def _curves(figure: str, catalogue: Catalogue, files: Files) -> Figure:
    """Draw each run of a figure in a column: the error above, the trace below."""
    solutions, curves = read_tables(files, "solutions"), read_tables(files, "curves")
    runs = catalogue.shown(figure)
    shown = curves[curves["run"].isin([run.id for run in runs])]
    colours = dict(zip(sorted(set(shown["seed"])), cycle(COLOURS), strict=False))
    columns = len(runs) + (figure == NEURONS)
    canvas = Figure(figsize=(min(2.5 * columns, 7.0), 4.0), layout="constrained")
    axes = canvas.subplots(2, columns, squeeze=False)
    drawn = shown[shown["epoch"] > 0]
    scales = {
        column: common_scale([rows[column] for _, rows in drawn.groupby("run")])
        for column in ("epoch", "test_error")
    }
    for place, run in enumerate(runs):
        draw_curves(axes[0, place], axes[1, place], run, solutions, shown, colours, scales)
    share_traces(
        [axes[1, place] for place in alike]
        for _, alike in groupby(range(len(runs)), lambda place: runs[place].architecture)
    )
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
    """Draw test error against the trace, one panel per architecture."""
    solutions = read_tables(files, "solutions")
    canvas = Figure(figsize=(7.0, 4.6), layout="constrained")
    groups = architectures(run for run in catalogue.runs if run.pool)
    panels = canvas.subplots(-(-len(groups) // 3), 3, squeeze=False).ravel()
    for axes in panels:
        axes.set_axis_off()
    built = solutions[solutions["role"] == "construction"]
    shown = {
        architecture: (in_pool(solutions, runs), built[built["architecture"] == architecture])
        for architecture, runs in groups.items()
    }
    scale = trace_scale([shown_traces(*rows) for rows in shown.values()])
    for axes, (architecture, rows) in zip(panels, shown.items(), strict=False):
        axes.set_axis_on()
        draw_solutions(axes, architecture, *rows, scale)
    handles = legend_handles()
    canvas.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return canvas
