"""Findings and figure of Hammoud et al. (2023): published coefficients beside ours.

Networks whose data are missing are listed with the reason; stand-ins are named as such.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sharpness.data.locate import read_record
from sharpness.io.errors import UserError
from sharpness.plots.style import COLOURS, Scale, common_scale, scale_axis
from sharpness.statistics.kendall import LEVEL
from sharpness.studies.findings import Finding, judged
from sharpness.studies.hammoud.correlations import (
    PROCEDURES,
    PUBLISHED,
    Coefficients,
    Published,
    coefficients,
    read_models,
)
from sharpness.studies.hammoud.procedures import DATA

STANDIN = " (stand-in)"
"""Ends the title of a network whose data are a stand-in."""

LEAST = 1e-4
"""Smaller p-values are printed as less than this."""


def format_number(tau: float) -> str:
    """Format with three decimals, a proper minus sign, and no negative zero."""
    text = f"{tau:.3f}"
    return "0.000" if text == "-0.000" else text.replace("-", "−")


def format_coefficient(tau: float, p: float) -> str:
    """Format a coefficient with its p-value, or as undefined."""
    said = f"p = {p:.2g}" if p >= LEAST else f"p < {LEAST:.4f}"
    return "undefined" if math.isnan(tau) else f"{format_number(tau)} ({said})"


def missing_data(records: Iterable[str | Path]) -> dict[str, str]:
    """Return why data are missing, by network in the published order.

    ``records`` are paths of the data sets' records, from `sharpness.data.locate.locate`.
    """
    found = {record["name"]: record for record in map(read_record, records)}
    absent = {name: r["reason"] for name, r in found.items() if r["status"] != "present"}
    return {network: absent[data] for network, data in DATA.items() if data in absent}


def titles(records: Iterable[str | Path]) -> dict[str, str]:
    """Return the title of each network and its data set, marked if the data are a stand-in."""
    made = {record["name"] for record in map(read_record, records) if "standin" in record}
    return {
        network: f"{published.title}{STANDIN * (DATA[network] in made)}"
        for network, published in PUBLISHED.items()
    }


MODELS = 50
"""Number of models of each published pool."""

MAIN = "τ(sharpness, test loss)"
OTHERS: dict[str, Callable[[Coefficients], float]] = {
    "τ(sharpness, generalization gap)": lambda found: found.gap,
    "τ(sharpness, training loss)": lambda found: found.train,
    "τ(sharpness, sharpness measured again)": lambda found: found.again,
}
RANGES = {
    "sharpness": "sharpness, smallest to largest",
    "test_loss": "test loss, smallest to largest",
    "test_accuracy": "test accuracy, smallest to largest",
    "epochs": "epochs of training, smallest to largest",
}


def summarise(files: Mapping[str, Any]) -> list[Finding]:
    """Return the findings: first those that the paper prints, then those that explain them.

    Values are those of the first seed base; the spread is over all bases. ``files`` has ``models``,
    paths of CSV files of `hammoud.COLUMNS`, and ``records``, paths of the data sets' records.
    """
    models = read_models(files["models"])
    pools: dict[tuple[str, str], list[Coefficients]] = {}
    for found in coefficients(models):
        pools.setdefault((found.network, found.procedure), []).append(found)
    absent, titled, findings = missing_data(files["records"]), titles(files["records"]), []
    for network, published in PUBLISHED.items():
        findings += [
            _main(titled[network], *key, bases) for key, bases in pools.items() if key[0] == network
        ]
        if network in absent:
            said = format_coefficient(published.tau, published.p)
            why = absent[network]
            verdict = judged(None)
            findings.append(
                Finding(MAIN, titled[network], said, "not measured", note=why, verdict=verdict)
            )
    for quantity, value in OTHERS.items():
        for (network, procedure), bases in pools.items():
            values = list(map(value, bases))
            if not math.isnan(values[0]):
                ours, setting = format_number(values[0]), f"{titled[network]}, {procedure}"
                findings.append(Finding(quantity, setting, "", ours, _over(values)))
    return [*findings, *_ranges(models, titled)]


def _main(title: str, network: str, procedure: str, bases: list[Coefficients]) -> Finding:
    first, published = bases[0], PUBLISHED[network]
    remark = published.remark if procedure == "code" else ""
    spread = _over([found.tau for found in bases])
    if len(bases) == 1 and math.isfinite(first.low):
        ends = f"{format_number(first.low)} to {format_number(first.high)}"
        spread = f"{LEVEL:.0%} interval {ends}, over models"
    return Finding(
        MAIN,
        f"{title}, {procedure}, {first.models} models",
        format_coefficient(published.tau, published.p),
        format_coefficient(first.tau, first.p),
        spread,
        "; ".join(filter(None, (first.reason, remark))),
        judged(_agrees(first, published.tau) if STANDIN not in title else None),
    )


def _agrees(found: Coefficients, published: float) -> bool | None:
    """Return whether a published τ lies in our interval; None for a pool of another size."""
    if found.models != MODELS or math.isnan(found.low):
        return None
    return found.low <= published <= found.high


def _ranges(models: pd.DataFrame, titled: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the ranges of the models' values, beside those of the published plots."""
    for column, quantity in RANGES.items():
        for _, pool in models.groupby(["network", "procedure"], sort=False):
            first = pool.loc[pool["base"] == pool["base"].min(), column].dropna()
            if first.empty:
                continue
            network, procedure = pool.iloc[0][["network", "procedure"]]
            published = getattr(PUBLISHED[network], column, "")
            yield Finding(
                quantity,
                f"{titled[network]}, {procedure}",
                published if procedure in PROCEDURES else "",
                f"{first.min():.3g} to {first.max():.3g}".replace("-", "−"),
                note=f"median {first.median():.3g}".replace("-", "−"),
            )


def _over(values: list[float]) -> str:
    """Return the spread over seed bases as text; empty for a single one."""
    known = [value for value in values if math.isfinite(value)]
    if len(values) == 1 or not known:
        return ""
    return (
        f"{format_number(min(known))} to {format_number(max(known))} over {len(known)} seed bases"
    )


REASON = 230
"""Maximum characters of a reason in a panel."""


def compose(figure: str, files: Mapping[str, Any]) -> Figure:
    """Plot test loss against sharpness, one point per model of the first seed base.

    ``files`` is as for `summarise`.

    Raises:
        UserError: if ``figure`` is not "hammoud1".
    """
    if figure != "hammoud1":
        raise UserError(f"figure {figure!r} is not of the small networks; they have hammoud1")
    models, absent = read_models(files["models"]), missing_data(files["records"])
    titled = titles(files["records"])
    first = models.groupby(["network", "procedure"])["base"].transform("min")
    models = models[models["base"] == first]
    pools = {(found.network, found.procedure): found for found in coefficients(models, resamples=0)}
    rows = list(dict.fromkeys([*PROCEDURES, *models["procedure"]]))
    canvas = Figure(figsize=(7, 0.6 + 2.1 * len(rows)), layout="constrained")
    axes = canvas.subplots(len(rows), len(PUBLISHED), squeeze=False)
    scales = {
        column: common_scale([pool[column] for _, pool in models.groupby(["network", "procedure"])])
        for column in ("sharpness", "test_loss")
    }
    for i, procedure in enumerate(rows):
        for j, (network, published) in enumerate(PUBLISHED.items()):
            if found := pools.get((network, procedure)):
                _scatter(axes[i, j], models, found, published, titled[network], scales)
            elif network in absent and procedure in PROCEDURES:
                axes[i, j].set_title(f"{titled[network]}, {procedure}", pad=3)
                _say(axes[i, j], absent[network])
            else:
                axes[i, j].set_axis_off()  # the configuration has no such pool
    return canvas


def _scatter(
    axes: Axes,
    models: pd.DataFrame,
    found: Coefficients,
    published: Published,
    title: str,
    scales: Mapping[str, Scale],
) -> None:
    """Plot the models of a pool, with its coefficient and the published one in the title."""
    chosen = (models["network"] == found.network) & (models["procedure"] == found.procedure)
    pool = models[chosen].dropna(subset=["sharpness", "test_loss"])
    if len(pool):
        axes.scatter(pool["sharpness"], pool["test_loss"], s=11, color=COLOURS[0], linewidths=0)
        scale_axis(axes, "x", pool["sharpness"].to_numpy(), scales["sharpness"])
        scale_axis(axes, "y", pool["test_loss"].to_numpy(), scales["test_loss"])
    axes.set_xlabel("Sharpness", labelpad=2)
    axes.set_ylabel("Test loss", labelpad=2)
    lines = (
        f"{title}, {found.procedure}",
        f"τ = {format_coefficient(found.tau, found.p)}",
        f"published {format_coefficient(published.tau, published.p)}",
    )
    axes.set_title("\n".join(lines), pad=3)


def _say(axes: Axes, reason: str) -> None:
    axes.set(xticks=[], yticks=[])
    short = textwrap.shorten(reason, REASON, placeholder=" …")
    text = f"not measured:\n{textwrap.fill(short, 32)}"
    middle = {"transform": axes.transAxes, "ha": "center", "va": "center"}
    axes.text(0.5, 0.5, text, middle, color="0.4", parse_math=False)
