"""Figure 1, as published and with every adaptive definition, and findings beside its claims."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from sharpness.io.errors import UserError
from sharpness.measures.definition import Definition
from sharpness.plots.style import COLOURS, MARKERS, RAMP
from sharpness.studies.findings import Finding, judged

RANGE = (1e-8, 1)
"""Limits of the logarithmic y axes; a curve that falls to zero leaves through the bottom."""


def compose(figure: str, files: Mapping[str, Path]) -> Figure:
    """Return Figure 1, drawn from ``files["curves"]``, a CSV of ``curves.COLUMNS``.

    Raises:
        UserError: if ``figure`` is not "fig1".
    """
    if figure != "fig1":
        raise UserError(f"figure {figure!r} is not of the linear model; it has fig1")
    table = pd.read_csv(files["curves"])
    published, ours = (table[table["part"] == part] for part in ("published", "ours"))
    canvas = Figure(figsize=(7, 3), layout="constrained")
    left, middle, right = canvas.subplots(1, 3)
    _published(left, published)
    _adaptive(middle, ours, logit_norm=False)
    _adaptive(right, ours, logit_norm=True)
    left.set_ylabel("Sharpness")
    handles, labels = right.get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside lower right", ncols=2, columnspacing=2)
    return canvas


def _published(axes: Axes, curves: pd.DataFrame) -> None:
    radii = sorted(curves["radius"].unique())
    for place, radius in enumerate(radii):
        curve = curves[curves["radius"] == radius]
        _line(axes, curve, place, f"ρ = {radius:g}", color=RAMP(place / max(1, len(radii) - 1)))
    axes.set_title("As published: 2 classes, ‖δ‖₂ ≤ ρ‖w‖₂")
    axes.legend(loc="upper right")


def _adaptive(axes: Axes, curves: pd.DataFrame, logit_norm: bool) -> None:
    """Plot each adaptive definition with, or without, logit normalization."""
    found = [Definition.parse(word) for word in curves["definition"].unique()]
    for place, definition in enumerate(d for d in found if d.logit_norm is logit_norm):
        curve = curves[curves["definition"] == definition.id]
        label = f"{definition.title}, ρ = {curve['radius'].iloc[0]:.2g}"
        _line(axes, curve, place, label, color=COLOURS[place])
    axes.set_yscale("log", nonpositive="clip")
    axes.set_ylim(RANGE)
    axes.yaxis.set_minor_locator(NullLocator())
    words = "with logit normalization" if logit_norm else "without logit normalization"
    axes.set_title(f"{curves['classes'].iloc[0]} classes, {words}")


def _line(axes: Axes, curve: pd.DataFrame, place: int, label: str, color: Any) -> None:
    x, y = curve["scale"], curve["sharpness"]
    axes.plot(x, y, color=color, marker=MARKERS[place], ms=2.2, lw=0.9, label=label)
    axes.set_xscale("log")
    axes.set_xlim(2**-10.5, 2**10.5)
    axes.xaxis.set_major_locator(LogLocator(10, numticks=9))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("Factor of the weights")


NOTEBOOK_SCALE = 10
"""Index in ``curves.SCALES`` of a scale that the authors' notebook prints, 2^−3.10 = 0.12."""

NOTEBOOK = {0.1: "0.0250", 0.25: "0.0649", 0.5: "0.1379"}
"""The notebook's sharpness at this scale, by radius."""


NOTHING = 1e-3
"""Relative size below which a sharpness counts as zero, or a change as none."""


def summarise(files: Mapping[str, Path]) -> list[Finding]:
    """Return findings on the shapes of the curves, beside the paper's statements.

    ``files["curves"]`` is a CSV of ``curves.COLUMNS``.
    """
    table = pd.read_csv(files["curves"])
    published, ours = (table[table["part"] == part] for part in ("published", "ours"))
    return [
        _error(published, "two Gaussian classes"),
        *(finding for radius, curve in published.groupby("radius") for finding in _hump(curve)),
        _error(ours, f"{ours['classes'].iloc[0]} Gaussian classes"),
        *(_shape(curve) for _, curve in ours.groupby("definition", sort=False)),
    ]


def _error(curves: pd.DataFrame, setting: str) -> Finding:
    note = "the scale changes no decision, so it is the same at every scale"
    worst = curves["train_error"].max()
    verdict = judged(bool(worst == 0))
    return Finding("training error", setting, "zero", f"{worst:.0%}", note=note, verdict=verdict)


def _hump(curve: pd.DataFrame) -> list[Finding]:
    """Return the findings on one radius of the published definition."""
    radius, peak = curve["radius"].iloc[0], curve.iloc[curve["sharpness"].argmax()]
    setting = f"two classes, m = 1, ‖δ‖₂ ≤ {radius:g} ‖w‖₂"
    named = curve.sort_values("scale").iloc[NOTEBOOK_SCALE]
    below = f"the margin breaks at {peak['margin_radius']:.2f} ‖w‖₂"
    printed, found = NOTEBOOK.get(radius), f"{named['sharpness']:.4f}"
    ends = curve.sort_values("scale")["sharpness"].iloc[[0, -1]]
    hump = judged(bool((ends < peak["sharpness"]).all()))
    return [
        Finding(
            f"sharpness at scale {named['scale']:.2g}",
            setting,
            f"{printed} (the authors' notebook)" if printed else "",
            found,
            note="exact; with seed 0 the data are the notebook's",
            verdict=judged(found == printed) if printed else "",
        ),
        Finding(
            *("sharpness over the scales", setting, "a hump", _words(curve)),
            note=below,
            verdict=hump,
        ),
    ]


def _shape(curve: pd.DataFrame) -> Finding:
    """Return the finding on how one adaptive definition changes with the scale."""
    first = curve.iloc[0]
    definition = Definition.parse(first["definition"])
    ball = f"ρ = {first['radius']:.3g}, the margin breaks at {first['margin_radius']:.3g}"
    if not definition.logit_norm:
        setting = f"{definition.title}, without logit normalization"
        claim = "decreases to zero (text)"
        end = curve.sort_values("scale")["sharpness"].iloc[-1]
        verdict = judged(bool(end < NOTHING * curve["sharpness"].max()))
        return Finding(
            *("sharpness over the scales", setting, claim, _words(curve)),
            note=ball,
            verdict=verdict,
        )
    largest, smallest = curve["sharpness"].max(), curve["sharpness"].min()
    return Finding(
        "largest over smallest sharpness of all scales, less 1",
        f"{definition.title}, with logit normalization",
        "0: normalization fixes the scale (text)",
        f"{largest / smallest - 1:.0e}",
        note=f"{first['sharpness']:.3g} at every scale; {ball}",
        verdict=judged(bool(largest / smallest - 1 < NOTHING)),
    )


def _words(curve: pd.DataFrame) -> str:
    """Describe a curve by its start, peak and end."""
    curve = curve.sort_values("scale")
    peak, (start, end) = curve.iloc[curve["sharpness"].argmax()], curve["sharpness"].iloc[[0, -1]]
    top = f"{peak['sharpness']:.3g} at scale {peak['scale']:.2g}"
    return f"{start:.1e}, up to {top}, down to {end:.1g}"
