"""What do all statistics of a paper-scale run cost?

The six pools at the paper's sizes (632 models), each with 48 main cells by two protocols, 12 cells
of ablations, 8 batches a cell and 6 errors with their gaps; the sweeps have four subgroups. All
that the rule `correlations` computes, in processor seconds by part.

Measured (one core of a CPU): 50 s, of which correlations 30, families 9, protocols 5.

    OMP_NUM_THREADS=1 python benchmarks/correlations.py
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pandas as pd

from sharpness.measures.definition import PAPER, Cell
from sharpness.statistics.convergence import convergence
from sharpness.statistics.correlation import correlations
from sharpness.statistics.families import error_kinds, families
from sharpness.statistics.grid import grid
from sharpness.statistics.protocols import protocols
from sharpness.statistics.reliability import by_cell

MODELS = {
    "augreg-i1k": 56,
    "augreg-i21k": 54,
    "soups": 72,
    "berts": 50,
    "resnets": 200,
    "vits": 200,
}
PARTS = ("test", "v2", "r", "sketch", "a", "objectnet")
BATCHES = 8
T = TypeVar("T")


def cells() -> list[str]:
    """The cells of a pool."""
    main = [Cell(d, r, p) for p in ("paper", "released") for d in PAPER for r in (1, 2, 3, 4)]
    ablations = [Cell(PAPER[1], r, m=m) for r in (1, 2, 3, 4) for m in (16, 32)]
    return [
        c.id for c in (*main, *ablations, *(Cell(PAPER[1], 1, steps=n) for n in (5, 10, 20, 50)))
    ]


def made_up(name: str, models: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The contents of ``pool.csv`` and ``per_batch.csv``; the AugReg pools are grids."""
    rng = np.random.default_rng(0)
    quality, places = rng.normal(size=models), np.arange(models)
    pool = pd.DataFrame({"model": [f"m{i}" for i in places], "status": "ok", "reason": ""})
    if name.startswith("augreg"):
        levels = {"augmentation": places // 8, "decay": places % 2, "dropout": places // 2 % 2}
        pool = pool.assign(**levels, learning_rate=1.0 + places // 4 % 2)
    else:
        rate = rng.random(models)
        pool = pool.assign(augment=places % 2, mixup=places // 2 % 2, learning_rate=rate)
    errors = {
        f"error_{p}": (0.1 + 0.01 * (quality + rng.normal(size=models))).round(4) for p in PARTS
    }
    pool = pool.assign(**errors, loss_train=rng.random(models), examples_test=10_000)
    pool = pool.assign(
        **{f"gap_{p}": pool[f"error_{p}"] - 0.01 * rng.random(models) for p in PARTS}
    )
    values = quality[:, None, None] + rng.normal(size=(models, len(cells()), BATCHES))
    keys = pd.MultiIndex.from_product([pool["model"], cells(), range(BATCHES)])
    per_batch = pd.DataFrame({"examples": 128, "value": values.ravel()}, index=keys)
    per_batch = per_batch.rename_axis(["model", "cell", "batch"]).reset_index()
    return pd.concat([pool, pd.DataFrame(values.mean(axis=2), columns=cells())], axis=1), per_batch


def main() -> None:
    """Print the seconds of each part, and of all."""
    spent: Counter[str] = Counter()

    def timed(compute: Callable[..., T], *given: object) -> T:
        start = time.process_time()
        found = compute(*given)
        spent[compute.__name__] += time.process_time() - start
        return found

    for name, models in MODELS.items():
        pool, per_batch = made_up(name, models)
        by = ("augment", "mixup") if models == 200 else ()
        batches = timed(by_cell, per_batch, [*pool["model"]])
        table = timed(correlations, pool, by, None, batches)
        judged = timed(families, pool, error_kinds(pool), batches, by)
        timed(protocols, pool, table, judged, error_kinds(pool))
        timed(convergence, pool, batches, {"steps": 20, "samples": 100})
        timed(grid, pool)
    for part, seconds in spent.items():
        print(f"{part:<13}{seconds:6.1f} s")
    print(f"{'all':<13}{spent.total():6.1f} s of {sum(MODELS.values())} models")


if __name__ == "__main__":
    main()
