"""A made-up pool: the columns that an evaluation leaves, drawn from a seed.

Sharpness follows a latent flatness within each subgroup of augment × mixup, with an offset between
subgroups, so that figures and coefficients look as in the paper.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from sharpness.measures.definition import PAPER, Cell, Definition

FIGURE_DEFINITION = Definition("worst", "linf", adaptive=True, logit_norm=True)
AUGMENTED_DEFINITION = Definition("average", "linf", adaptive=True, logit_norm=True)

_RADII = {
    ("average", "l2"): (0.05, 0.1, 0.2, 0.4),
    ("worst", "l2"): (0.25, 0.5, 1.0, 2.0),
    ("average", "linf"): (0.1, 0.2, 0.4, 0.8),
    ("worst", "linf"): (0.0005, 0.001, 0.002, 0.004),
}


def cells(protocols: tuple[str, ...] = ("paper", "released")) -> list[Cell]:
    """All 48 cells by each protocol, then the ablations of Figures 29–32."""
    radii = {definition: _RADII[definition.case, definition.norm] for definition in PAPER}
    found = [Cell(d, r, protocol) for protocol in protocols for d in PAPER for r in radii[d]]
    found += [Cell(AUGMENTED_DEFINITION, r, data="augmented") for r in radii[AUGMENTED_DEFINITION]]
    for radius in radii[FIGURE_DEFINITION]:
        found += [Cell(FIGURE_DEFINITION, radius, m=m) for m in (16, 32, 64)]
        found += [Cell(FIGURE_DEFINITION, radius, steps=steps) for steps in (50, 100, 200)]
    return found


def pool(models: int = 24, seed: int = 0, skipped: int = 2) -> pd.DataFrame:
    """A ``pool.csv`` as a frame: ``models`` rows, the last ``skipped`` of them without cells."""
    rng = np.random.default_rng(seed)
    augment, mixup = rng.integers(0, 2, (2, models))
    learning_rate = np.exp(rng.uniform(np.log(0.05), np.log(5.0), models))
    flatness = np.log(learning_rate) + rng.normal(0, 0.4, models)
    error_test = 0.09 - 0.025 * augment - 0.008 * mixup - 0.004 * flatness
    error_test += rng.normal(0, 0.003, models)
    error_train = rng.uniform(0, 0.009, models)
    frame = pd.DataFrame(
        {
            "model": [f"model_{index:03d}" for index in range(models)],
            "status": "ok",
            "reason": "",
            "learning_rate": learning_rate,
            "sam_rho": rng.choice([0.0, 0.05, 0.1], models),
            "mixup": mixup,
            "augment": augment,
            "error_train": error_train,
            "error_test": error_test,
            "error_corrupted": 3.1 * error_test + rng.normal(0, 0.02, models),
            "gap": error_test - error_train,
        }
    )
    values = {}
    for cell in cells():
        level = np.log(cell.radius) * (1.5 if cell.definition.case == "average" else 1.0)
        offset = (1.6 * mixup + 0.5 * augment) * (1 if cell.definition.logit_norm else -1)
        noise = rng.normal(0, 0.3, models)
        values[cell.id] = np.exp(level + offset - 0.5 * flatness + noise)
    frame = pd.concat([frame, pd.DataFrame(values)], axis=1)
    out = frame.index >= models - skipped
    frame.loc[out, list(values)] = np.nan
    frame.loc[out, ["status", "reason"]] = ["skipped", "training error 0.041 is above 0.01"]
    return frame
