"""What Figure 1 claims and what the curves say, one line a quantity."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from sharpness.measures.definition import Definition
from sharpness.studies.findings import Finding

NOTEBOOK_SCALE = 10
"""Place among the scales of one that the authors' notebook prints, 2^−3.10 = 0.12."""

NOTEBOOK = {0.1: "0.0250", 0.25: "0.0649", 0.5: "0.1379"}
"""The sharpness that it prints there, for each radius."""


def summarise(files: Mapping[str, Path]) -> list[Finding]:
    """The shapes of the curves beside what the paper says of them.

    Args:
        files: ``curves``, rows of ``curves.COLUMNS``.
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
    return Finding(
        "training error", setting, "zero", f"{curves['train_error'].max():.0%}", note=note
    )


def _hump(curve: pd.DataFrame) -> list[Finding]:
    """What there is to say of one published radius."""
    radius, peak = curve["radius"].iloc[0], curve.iloc[curve["sharpness"].argmax()]
    setting = f"two classes, m = 1, ‖δ‖₂ ≤ {radius:g} ‖w‖₂"
    named = curve.sort_values("scale").iloc[NOTEBOOK_SCALE]
    below = f"the margin breaks at {peak['margin_radius']:.2f} ‖w‖₂"
    return [
        Finding(
            f"sharpness at scale {named['scale']:.2g}",
            setting,
            f"{NOTEBOOK[radius]} (the authors' notebook)",
            f"{named['sharpness']:.4f}",
            note="exact; with seed 0 the data are the notebook's",
        ),
        Finding("sharpness over the scales", setting, "a hump", _words(curve), note=below),
    ]


def _shape(curve: pd.DataFrame) -> Finding:
    """How one definition changes with the scale."""
    first = curve.iloc[0]
    definition = Definition.parse(first["definition"])
    ball = f"ρ = {first['radius']:.3g}, the margin breaks at {first['margin_radius']:.3g}"
    if not definition.logit_norm:
        setting = f"{definition.title}, without logit normalization"
        claim = "decreases to zero (text)"
        return Finding("sharpness over the scales", setting, claim, _words(curve), note=ball)
    largest, smallest = curve["sharpness"].max(), curve["sharpness"].min()
    return Finding(
        "largest over smallest sharpness of all scales, less 1",
        f"{definition.title}, with logit normalization",
        "0: normalization fixes the scale (text)",
        f"{largest / smallest - 1:.0e}",
        note=f"{first['sharpness']:.3g} at every scale; {ball}",
    )


def _words(curve: pd.DataFrame) -> str:
    """A hump in words: where it starts, peaks and ends."""
    curve = curve.sort_values("scale")
    peak, (start, end) = curve.iloc[curve["sharpness"].argmax()], curve["sharpness"].iloc[[0, -1]]
    top = f"{peak['sharpness']:.3g} at scale {peak['scale']:.2g}"
    return f"{start:.1e}, up to {top}, down to {end:.1g}"
