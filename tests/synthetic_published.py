"""Made-up pools of published models: their own tables, with errors and sharpness from a seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from sharpness.measures.definition import Cell, Definition

RESOURCES = Path(__file__).parents[1] / "resources"

_SHIFTS = ("v2", "r", "sketch", "a", "objectnet")
PARTS = {
    "augreg-i1k": ("test", *_SHIFTS),
    "augreg-i21k": ("test", *_SHIFTS),
    "clip-soups": ("test", "heldout", *_SHIFTS),
    "feather-berts": ("test", "lexical", "subsequence", "constituent"),
}
"""The data sets of each pool but the training set."""

_AUGREG = {"worst": (0.001, 0.002, 0.004), "average": (0.05, 0.1, 0.2)}
RADII = {
    "augreg-i1k": _AUGREG,
    "augreg-i21k": _AUGREG,
    "clip-soups": {**_AUGREG, "average": (*_AUGREG["worst"], *_AUGREG["average"])},
    "feather-berts": {"worst": (0.0005, 0.001, 0.002), "average": (0.1, 0.2, 0.4)},
}


def cells(pool: str) -> list[Cell]:
    """Adaptive ℓ∞ sharpness, worst and average case, with and without normalized logits."""
    return [
        Cell(Definition(case, "linf", adaptive=True, logit_norm=norm), radius)
        for case, radii in RADII[pool].items()
        for norm in (True, False)
        for radius in radii
    ]


def pool(name: str, seed: int = 0) -> pd.DataFrame:
    """A ``pool.csv`` as a frame, of 50 models at most where the paper takes 50."""
    rng = np.random.default_rng([seed, len(name)])
    table = pd.read_csv(RESOURCES / "pools" / f"{name}.csv")
    table = table.drop(columns=["url", "bytes", "checksum"])
    if name == "feather-berts":
        table = table.sample(50, random_state=seed).sort_index().reset_index(drop=True)
    models = len(table)
    table.insert(1, "status", "ok")
    table.insert(2, "reason", "")
    errors = pd.DataFrame({part: rng.uniform(0.2, 0.8, models) for part in PARTS[name]})
    error_train = errors["test"] * rng.uniform(0.3, 0.5, models)
    gaps = errors.sub(error_train, axis=0)
    values = {cell.id: cell.radius * rng.lognormal(0, 1, models) for cell in cells(name)}
    columns = [
        table,
        error_train.rename("error_train"),
        errors.add_prefix("error_"),
        gaps["test"].rename("gap"),
        gaps.drop(columns="test").add_prefix("gap_"),
        pd.DataFrame(values),
    ]
    return pd.concat(columns, axis=1)
