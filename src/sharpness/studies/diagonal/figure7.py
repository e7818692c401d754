"""Figure 7 (measures against test loss), and findings beside the claims of Sec. 5.2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from sharpness.io.errors import UserError
from sharpness.plots.style import RAMP, draw_diagonal, scale_axis, set_ticks
from sharpness.statistics.kendall import format_tau, kendall
from sharpness.studies.findings import Finding

LABELS = {
    "trace": r"$\mathrm{tr}\,\nabla^2L$",
    "rescaled_trace": r"$\mathrm{tr}\,\tilde{\nabla}^2L$",
    "rescaled_eigenvalue": r"$\lambda_{\max}\,\tilde{\nabla}^2L$",
    "l1": r"$\|\beta\|_1$",
    "linf": r"$\|\beta\|_\infty$",
}
SIZE = (7.0, 4.4)
"""Width and height in inches."""


def compose(figure: str, files: Mapping[str, Sequence[Path]]) -> Figure:
    """Return Figure 7: six panels for the first seed, with τ above each.

    ``files["networks"]`` lists one CSV of ``COLUMNS`` per seed.

    Raises:
        UserError: if ``figure`` is not "fig7".
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
    """Plot networks as points, darker the larger their initial scale."""
    axes.scatter(x, y, s=9, c=scale, cmap=RAMP, norm=LogNorm(), alpha=0.85, lw=0.2, edgecolors="w")
    scale_axis(axes, "x", x)
    scale_axis(axes, "y", y)
    found = kendall(x, y, resamples=0, test=False)
    tau = format_tau(found.tau).replace("-", "−") if found.status == "ok" else "–"
    axes.set_title(f"τ = {tau}", pad=3)


COLUMNS = (
    *("seed", "draw", "status", "scale", "learning_rate", "steps", "train_loss", "test_loss"),
    *("trace", "rescaled_trace", "rescaled_eigenvalue", "l1", "linf"),
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


def converged(path: str | Path) -> pd.DataFrame:
    """Return the converged networks of a CSV file in the order of their draws."""
    networks = pd.read_csv(path)
    return networks[networks["status"] == "converged"]


PUBLISHED = {
    "trace": "lower than for tr ∇̃²L",
    "rescaled_trace": "about 0.8",
    "rescaled_eigenvalue": "can be the reverse of tr ∇̃²L's",
}
"""The paper's statements on τ with the test loss; it prints no other number."""

NOTES = {
    "rescaled_eigenvalue": "depends on the task: reverse if a coordinate of β* stands out, which "
    "networks from large weights fit too small; about zero or positive if none does",
}


def summarise(files: Mapping[str, Sequence[Path]]) -> list[Finding]:
    """Return findings for the first seed, with their variation over the others.

    ``files["networks"]`` lists one CSV of ``COLUMNS`` per seed.
    """
    pools = [converged(path) for path in files["networks"]]
    return [
        *(
            _rank(pools, column, "test_loss", (name, "test loss"), PUBLISHED.get(column, ""))
            for column, name in MEASURES.items()
        ),
        _rank(pools, "rescaled_trace", "l1", ("½ tr ∇̃²L", "‖β‖₁"), "approximated well"),
        _ratio(pools),
        *(_drawn(path) for path in files["networks"]),
    ]


def _rank(
    pools: Sequence[pd.DataFrame], x: str, y: str, names: tuple[str, str], published: str
) -> Finding:
    found = [kendall(pool[x], pool[y]) for pool in pools]
    first = found[0]
    quantity, setting = f"τ({names[0]}, {names[1]})", _setting(pools[0])
    if first.status != "ok":
        return Finding(quantity, setting, published, "undefined", note=first.reason)
    return Finding(
        quantity,
        setting,
        published,
        value=format_tau(first.tau),
        spread=f"95 % interval {format_tau(first.low)} to {format_tau(first.high)}"
        + _over_seeds(pools, [format_tau(one.tau) for one in found]),
        note=NOTES.get(x, "") if y == "test_loss" else "",
    )


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
    )


def _drawn(path: Path) -> Finding:
    networks = pd.read_csv(path)
    count = networks["status"].value_counts()
    return Finding(
        quantity="networks with training loss ≤ 10⁻⁵",
        setting=f"seed {networks['seed'].iloc[0]}",
        published="200",
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
