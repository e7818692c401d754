"""How far does `precision: mixed` change worst-case sharpness and its ranking of models?

Measures every worst-case cell of the finished pools of a configuration again, with mixed precision,
and compares it with the float32 value in ``pool.csv``: Kendall's τ-b over the models, and the
largest relative change. One row a cell goes to ``results/benchmarks/mixed.csv``; the table printed
has, for each pool and radius, the least τ and the largest change of its cells. ``mixed.yaml`` has
pools of scale mini with at least 20 models each.

    snakemake --cores all --configfile benchmarks/mixed.yaml
    python benchmarks/mixed.py benchmarks/mixed.yaml
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from scipy.stats import kendalltau

from sharpness.checkpoints.table import stem
from sharpness.cli.configuration import settings_of
from sharpness.data.locate import read_record
from sharpness.evaluation.datasets import EvalDatasets, first_points
from sharpness.evaluation.measuring import measure_plan
from sharpness.evaluation.plan import Plan
from sharpness.io.errors import UserError
from sharpness.io.files import write_csv
from sharpness.measures.definition import Cell
from sharpness.measures.micro_batch import MicroBatch
from sharpness.training.checkpoint import load_model

CPU = torch.device("cpu")


def measured(home: Path, name: str, pool: Any, protocols: list[str]) -> Iterator[dict[str, Any]]:
    """Measure the worst-case cells of a pool anew; yield a row for each model and cell."""
    before = pd.read_csv(home / name / "pool.csv", index_col="model")
    plan = Plan.parse(pool.plan(protocols))
    cells = [cell for cell in plan.cells if cell.definition.case == "worst"]
    plan = replace(plan, precision="mixed", cells=tuple(cells), measures=())
    inputs = pool.preprocessing and {**pool.preprocessing, "threads": 1}
    train = read_record(home / "data" / f"{pool.data['train']}.json")
    if (sample := home / "data" / f"{pool.data['train']}-sample.csv").exists():
        train["sample"] = str(sample)
    if (words := home / "data" / "bert-vocabulary.json").exists() and inputs:
        inputs["vocabulary"] = read_record(words)
    points = first_points(EvalDatasets({"train": train}, inputs)["train"], plan.points)
    for model in before.index:
        if before.loc[model, [cell.id for cell in cells]].isna().all():
            continue  # above the limit of training error
        network = load_model(home / name / "checkpoints" / f"{stem(model)}.safetensors", CPU)
        for cell, found in measure_plan(network, plan, points, cells, MicroBatch()):
            assert isinstance(cell, Cell)
            value = float("nan") if isinstance(found, UserError) else found.value
            yield {"cell": cell, "float32": before.loc[model, cell.id], "mixed": value}


def compared(pool: str, found: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield the row of each cell."""
    for cell, both in found.groupby("cell", sort=False):  # a cell may hold None
        change = (both["mixed"] / both["float32"] - 1).abs()
        yield {
            "pool": pool,
            "cell": cell.id,
            "definition": cell.definition.id,
            "radius": cell.radius,
            "models": len(both),
            "tau": kendalltau(both["float32"], both["mixed"]).statistic,
            "largest_change": change.max(),
            "median_change": change.median(),
        }


def main() -> None:
    """Write the rows, and print the table."""
    torch.set_num_threads(1)
    config = settings_of([Path(overlay) for overlay in sys.argv[1:]])
    home, rows = Path(config.home), []
    for name, pool in config.pools.items():
        found = pd.DataFrame(measured(home, name, pool, config.protocols))
        rows += compared(name, found)
        print(f"{name}: {len(found)} values", file=sys.stderr)
    write_csv(home.parent / "benchmarks" / "mixed.csv", rows, list(rows[0]))
    table = pd.DataFrame(rows).groupby(["pool", "definition", "radius"], sort=False)
    least = table.agg(
        models=("models", "min"), tau=("tau", "min"), largest_change=("largest_change", "max")
    )
    print(least.reset_index().to_markdown(index=False, floatfmt=".3g"))


if __name__ == "__main__":
    main()
