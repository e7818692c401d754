"""Figure 7 (measures against test loss), and findings beside the claims of Sec. 5.2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure, SubFigure

from sharpness.io.errors import UserError
from sharpness.plots.style import RAMP, Scale, common_scale, draw_diagonal, scale_axis, set_ticks
from sharpness.statistics.kendall import LEVEL, Correlation, format_tau, kendall
from sharpness.studies.diagonal.geodesic import RADIUS
from sharpness.studies.findings import Finding, judged

COLUMNS = (
    *("seed", "draw", "status", "scale", "learning_rate", "steps", "train_loss", "test_loss"),
    *("trace", "rescaled_trace", "rescaled_eigenvalue", "l1", "linf", "s_inv", "s_mix"),
)
"""One row per draw; columns from ``test_loss`` on are empty unless the status is converged."""

MEASURES = {
    "trace": "tr ∇²L",
    "rescaled_trace": "tr ∇̃²L",
    "rescaled_eigenvalue": "λmax ∇̃²L",
    "l1": "‖β‖₁",
    "linf": "‖β‖∞",
}
"""Symbol of each column that the figure plots against the test loss."""

GEODESIC = {"s_inv": "S_inv", "s_mix": "S_mix"}
"""Symbol of each column of geodesic sharpness, which the paper's figure does not show."""

LABELS = {
    "trace": r"$\mathrm{tr}\,\nabla^2L$",
    "rescaled_trace": r"$\mathrm{tr}\,\tilde{\nabla}^2L$",
    "half_trace": r"$\frac{1}{2}\,\mathrm{tr}\,\tilde{\nabla}^2L$",
    "rescaled_eigenvalue": r"$\lambda_{\max}\,\tilde{\nabla}^2L$",
    "l1": r"$\|\beta\|_1$",
    "linf": r"$\|\beta\|_\infty$",
    "test_loss": "test loss",
}
"""Axis label of each column."""

PANELS = (
    ("l1", "half_trace"),
    *((column, "test_loss") for column in MEASURES),
    ("rescaled_trace", "rescaled_eigenvalue"),
)
"""Columns on the axes of each panel."""

ACROSS = 4
"""Panels in a line."""

SIZE = (7.0, 3.7)
"""Width and height of the panels of one task, in inches."""

Files = Mapping[str, Any]


def converged(path: str | Path) -> pd.DataFrame:
    """Return the converged networks of a CSV file in the order of their draws."""
    networks = pd.read_csv(path)
    return networks[networks["status"] == "converged"]


def chosen(files: Files) -> Path | None:
    """Return the file of the task that was chosen for its reversal; None if there is none."""
    paths = files.get("reversal", [])
    return next(iter([paths] if isinstance(paths, str | Path) else paths), None)


def compose(figure: str, files: Files) -> Figure:
    """Return Figure 7: a block of panels for the first seed, and one for the task of a reversal.

    Above each panel stands τ. ``files["networks"]`` lists one CSV of ``COLUMNS`` per seed, and
    ``files["reversal"]`` is that of the other task, if there is one.

    Raises:
        UserError: if ``figure`` is not "fig7".
    """
    if figure != "fig7":
        raise UserError(f"figure {figure!r} is not of the diagonal networks; they have fig7")
    tasks, other = [converged(files["networks"][0])], chosen(files)
    titles = [f"Task of seed {tasks[0]['seed'].iloc[0]}"]
    if other is not None:
        tasks.append(converged(other))
        titles.append(
            f"Task of seed {tasks[1]['seed'].iloc[0]}, chosen for the paper's claim that the "
            f"relationship of {LABELS['rescaled_trace']} and {LABELS['rescaled_eigenvalue']} can "
            "be reverse"
        )
    tasks = [task.assign(half_trace=task["rescaled_trace"] / 2) for task in tasks]
    scales = {name: common_scale([task[name] for task in tasks]) for name in LABELS}
    width, height = SIZE
    canvas = Figure(figsize=(width, height * len(tasks)), layout="constrained")
    for part, task, title in zip(
        canvas.subfigures(len(tasks), 1, squeeze=False).flat, tasks, titles, strict=True
    ):
        part.suptitle(title, fontsize=7)
        _block(part, task, scales)
    return canvas


def _block(part: SubFigure, networks: pd.DataFrame, scales: Mapping[str, Scale]) -> None:
    """Draw the panels of one task, and the scale of their colours in the place of the last."""
    panels = list(part.subplots(-(-(len(PANELS) + 1) // ACROSS), ACROSS).flat)
    alpha = networks["scale"].to_numpy()
    for axes, (x, y) in zip(panels, PANELS, strict=False):
        _panel(axes, networks, x, y, scales)
    draw_diagonal(panels[0])
    rest = panels[-1]
    rest.set_axis_off()
    place = rest.inset_axes((0.1, 0.6, 0.8, 0.07))
    bar = part.colorbar(panels[0].collections[0], cax=place, orientation="horizontal")
    bar.set_label("initial scale α")
    set_ticks(place.xaxis, alpha.min(), alpha.max(), common_scale([alpha], linear=True))


def _panel(axes: Axes, networks: pd.DataFrame, x: str, y: str, scales: Mapping[str, Scale]) -> None:
    """Plot networks as points, darker the larger their initial scale."""
    look: dict[str, Any] = {
        "c": networks["scale"],
        "cmap": RAMP,
        "norm": LogNorm(),
        "edgecolors": "w",
    }
    axes.scatter(networks[x], networks[y], s=9, alpha=0.85, lw=0.2, **look)
    scale_axis(axes, "x", networks[x].to_numpy(), scales[x])
    scale_axis(axes, "y", networks[y].to_numpy(), scales[y])
    axes.set_xlabel(LABELS[x], labelpad=2)
    axes.set_ylabel(LABELS[y], labelpad=2)
    found = kendall(networks[x], networks[y], resamples=0, test=False)
    tau = format_tau(found.tau).replace("-", "−") if found.status == "ok" else "–"
    axes.set_title(f"τ = {tau}", pad=3)


PUBLISHED = {
    ("trace", "test_loss"): "lower than for tr ∇̃²L",
    ("rescaled_trace", "test_loss"): "about 0.8",
    ("rescaled_trace", "l1"): "approximated well",
    ("rescaled_trace", "rescaled_eigenvalue"): "can be reverse",
    ("s_inv", "test_loss"): "-0.83 with the gap, 50 networks",
    ("s_mix", "test_loss"): "-0.86 with the gap, 50 networks",
}
"""The paper's statements on relationships; it prints no other number.

Those on S_inv and S_mix are of da Silva et al. (2025), Table 1.
"""

OTHERWISE = (
    f"ρ = {RADIUS}; the published pool is drawn otherwise; closed form for whitened inputs, which "
    "ours are not"
)

ABOUT = 0.1
"""A τ or ratio this near the stated one agrees with "about" and "approximately"."""

RANKED = (
    *((column, "test_loss") for column in (*MEASURES, *GEODESIC)),
    ("rescaled_trace", "l1"),
    ("rescaled_trace", "rescaled_eigenvalue"),
)
"""Pairs of columns whose τ is a finding: those of the figure's panels, and geodesic sharpness."""


def summarise(files: Files) -> list[Finding]:
    """Return findings for the first seed, with their variation over the others.

    After them come those for the task of the reversal. ``files`` is as for `compose`.
    """
    pools, other = [converged(path) for path in files["networks"]], chosen(files)
    found = [*(_rank(pools, *pair) for pair in RANKED), _ratio(pools)]
    paths = [Path(path) for path in files["networks"]]
    if other is not None:
        found += [_rank([converged(other)], *pair, note=CHOSEN) for pair in RANKED]
        paths += [Path(other)] if Path(other) not in paths else []
    return [*found, *map(_drawn, paths)]


CHOSEN = "a task chosen for the reversal, not a sample of tasks"


def _rank(pools: Sequence[pd.DataFrame], x: str, y: str, note: str = "") -> Finding:
    found = [kendall(pool[x], pool[y]) for pool in pools]
    first = found[0]
    names = {**MEASURES, **GEODESIC, "test_loss": "test loss"}
    quantity, setting = f"τ({names[x]}, {names[y]})", _setting(pools[0])
    published = PUBLISHED.get((x, y), "")
    if first.status != "ok":
        return Finding(quantity, setting, published, "undefined", note=first.reason)
    said = [note, _direction(first) if (x, y) == RANKED[-1] else ""]
    said += [OTHERWISE] if x in GEODESIC else []
    return Finding(
        quantity,
        setting,
        published,
        value=format_tau(first.tau),
        spread=f"{100 * LEVEL:g} % interval {format_tau(first.low)} to {format_tau(first.high)}"
        + _over_seeds(pools, [format_tau(one.tau) for one in found]),
        note="; ".join(filter(None, said)),
        verdict=_verdict(pools[0], x, y, first) if published else "",
    )


def _verdict(pool: pd.DataFrame, x: str, y: str, found: Correlation) -> str:
    """Return the verdict on the statement on a pair, of which there are `PUBLISHED`."""
    if x in GEODESIC:
        return judged(None)
    if (x, y) == ("trace", "test_loss"):
        better = kendall(pool["rescaled_trace"], pool[y], resamples=0, test=False)
        return judged(found.tau < better.tau)
    if (x, y) == ("rescaled_trace", "test_loss"):
        return judged(abs(found.tau - 0.8) < ABOUT)
    if (x, y) == ("rescaled_trace", "l1"):
        return judged(found.tau > 1 - ABOUT)
    # It can be: a task where it is not refutes nothing.
    return judged(True if found.high < 0 else None)


def _direction(found: Correlation) -> str:
    """Return in words which way a relationship goes, by its interval."""
    if found.high < 0:
        return "reverse on this task"
    return "not reverse on this task" if found.low > 0 else "neither way on this task"


def _ratio(pools: Sequence[pd.DataFrame]) -> Finding:
    """Return the finding on how well the rescaled trace approximates the ℓ1 norm."""
    ratios = [pool["rescaled_trace"] / 2 / pool["l1"] for pool in pools]
    first = ratios[0]
    return Finding(
        quantity="½ tr ∇̃²L / ‖β‖₁",
        setting=_setting(pools[0]),
        published="approximately 1",
        value=f"{first.median():.2f}",
        spread=f"median of {first.min():.2f} to {first.max():.2f}"
        + _over_seeds(pools, [f"{ratio.median():.2f}" for ratio in ratios]),
        note="L = ‖·‖²/2n, the loss to which Eqs. 7–9 belong; twice that without the ½ (Eq. 6)",
        verdict=judged(bool(abs(first.median() - 1) < ABOUT)),
    )


def _drawn(path: Path) -> Finding:
    networks = pd.read_csv(path)
    count = networks["status"].value_counts()
    return Finding(
        quantity="networks with training loss ‖·‖²/n ≤ 10⁻⁵",
        setting=f"seed {networks['seed'].iloc[0]}",
        published="200, by a loss without 1/n",
        value=f"{count['converged']} of {len(networks)} drawn",
        note=f"left out: {count.get('too slow', 0)} out of steps, "
        f"{count.get('diverged', 0)} diverged",
    )


def _setting(pool: pd.DataFrame) -> str:
    return f"{len(pool)} networks, seed {pool['seed'].iloc[0]}"


def _over_seeds(pools: Sequence[pd.DataFrame], values: Sequence[str]) -> str:
    """Return the values by seed as text; empty for a single seed."""
    if len(pools) == 1:
        return ""
    seeds = ", ".join(str(pool["seed"].iloc[0]) for pool in pools)
    return f"; seeds {seeds}: {', '.join(values)}"
