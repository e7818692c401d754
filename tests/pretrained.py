"""Made-up pools of published models: the columns that an evaluation leaves, drawn from a seed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sharpness.measures.definition import Cell, Definition

PHOTOS = ("test", "v2", "r", "sketch", "a", "objectnet")
SENTENCES = ("test", "lexical", "subsequence", "constituent")
DEFINITIONS = tuple(
    Definition(case, "linf", adaptive=True, logit_norm=logit_norm)
    for case in ("worst", "average")
    for logit_norm in (True, False)
)
RADII = {
    "augreg-i1k": {"worst": (0.001, 0.002, 0.004), "average": (0.05, 0.1, 0.2)},
    "augreg-i21k": {"worst": (0.001, 0.002, 0.004), "average": (0.05, 0.1, 0.2)},
    "clip-soups": {
        "worst": (0.001, 0.002, 0.004),
        "average": (0.001, 0.002, 0.004, 0.05, 0.1, 0.2),
    },
    "feather-berts": {"worst": (0.0005, 0.001, 0.002), "average": (0.1, 0.2, 0.4)},
}
POOLS = tuple(RADII)


def cells(name: str, protocols: tuple[str, ...] = ("paper", "released")) -> list[Cell]:
    """The cells of a pool: those that Table 1 or 2 prints, and Figure 20's of the soups."""
    return [
        Cell(definition, radius, protocol)
        for protocol in protocols
        for definition in DEFINITIONS
        for radius in RADII[name][definition.case]
    ]


def pool(
    name: str, models: int = 12, seed: int = 0, protocols: tuple[str, ...] = ("paper", "released")
) -> pd.DataFrame:
    """A ``pool.csv`` as a frame."""
    rng = np.random.default_rng([seed, POOLS.index(name)])
    frame = pd.DataFrame({"model": [f"model_{i}" for i in range(models)]})
    frame = frame.assign(status="ok", reason="", **hyperparameters(name, models, rng))
    quality = rng.normal(0, 1, models)
    parts = SENTENCES if name == "feather-berts" else PHOTOS
    errors = {
        f"error_{part}": 0.2 + 0.1 * place + 0.02 * quality + rng.normal(0, 0.01, models)
        for place, part in enumerate(parts)
    }
    frame = frame.assign(error_train=rng.uniform(0, 0.1, models), **errors)
    gaps = {
        "gap" if part == "test" else f"gap_{part}": frame[f"error_{part}"] - frame["error_train"]
        for part in parts
    }
    values = {
        cell.id: np.exp(np.log(cell.radius) + 0.5 * quality + rng.normal(0, 0.5, models))
        for cell in cells(name, protocols)
    }
    return pd.concat([frame, pd.DataFrame(gaps | values)], axis=1)


def hyperparameters(
    name: str, models: int, rng: np.random.Generator
) -> dict[str, np.ndarray | list[str]]:
    """What the pool's table says of its models, missing values and words included."""
    if name == "feather-berts":
        return {"run": np.arange(models)}
    if name == "clip-soups":
        rate = 10 ** rng.uniform(-6, -4, models)
        rate[0] = np.nan
        return {"learning_rate": rate, "augmentation": [None, *["rand-m1-n1"] * (models - 1)]}
    words = ["none", "light", "medium", "strong"]
    return {
        "augmentation": [words[i % 4] for i in range(models)],
        "stochastic_depth": rng.permutation(np.arange(models) % 2) / 10,
        "learning_rate": rng.choice([0.01, 0.03], models),
    }
