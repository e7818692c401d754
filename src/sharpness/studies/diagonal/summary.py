"""What Sec. 5.2 claims of diagonal linear networks, and what ours show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from sharpness.plots.text import format_tau
from sharpness.statistics.kendall import kendall
from sharpness.studies.findings import Finding

COLUMNS = (
    "seed",
    "draw",
    "status",
    "scale",
    "learning_rate",
    "steps",
    "train_loss",
    "test_loss",
    "trace",
    "rescaled_trace",
    "rescaled_eigenvalue",
    "l1",
    "linf",
)
"""One row a draw; those from the test loss on are empty where the status is not "converged"."""

MEASURES = {
    "trace": "tr ∇²L",
    "rescaled_trace": "tr ∇̃²L",
    "rescaled_eigenvalue": "λmax ∇̃²L",
    "l1": "‖β‖₁",
    "linf": "‖β‖∞",
}
"""What the figure sets against the test loss: column to symbol."""


def converged(path: str | Path) -> pd.DataFrame:
    """The networks of a file that converged, in the order of their draws."""
    networks = pd.read_csv(path)
    return networks[networks["status"] == "converged"]


PUBLISHED = {
    "trace": "lower than for tr ∇̃²L",
    "rescaled_trace": "about 0.8",
    "rescaled_eigenvalue": "can be the reverse of tr ∇̃²L's",
}
"""What the text says of τ with the test loss; it prints no other number."""

NOTES = {
    "rescaled_eigenvalue": "depends on the task: reverse if a coordinate of β* stands out, which "
    "networks from large weights fit too small; about zero or positive if none does",
}


def summarise(files: Mapping[str, Sequence[Path]]) -> list[Finding]:
    """The study's findings: those of the first seed, and how they vary over the others.

    Args:
        files: ``networks``, a file for each seed.
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
    """Kendall's τ of two columns."""
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
    """How well the rescaled trace approximates the ℓ1 norm."""
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
    """How many draws it took."""
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
    """One value a seed, where there are several."""
    if len(pools) == 1:
        return ""
    seeds = ", ".join(str(pool["seed"].iloc[0]) for pool in pools)
    return f"; seeds {seeds}: {', '.join(values)}"
