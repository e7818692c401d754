"""All 48 cells of Table 3 and three errors of one CIFAR-10 model: one job against 48 runs.

The released code starts a process for each cell, and evaluates the errors in each. Its runs are
timed by a reconstruction on the 24 cells in ℓ∞, whose values are compared with ours; those in ℓ2
count as much. Ours are all 48 cells, protocol ``released``, and one start and evaluation. A random
ResNet of width 16, one thread, processor time. One batch of 32 images stands for the protocol's
1,024 images, and 320 for the 10,000 of each error; both are counted accordingly. One row a part
goes to ``results/benchmarks/one_model.csv``.

    python benchmarks/one_model.py
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import torch
import yaml
from cells import EXAMPLES, NETWORKS, compare, made
from reconstruction import Reconstruction
from torch.nn.functional import cross_entropy

from sharpness import Cell, Definition, Effort, Estimate
from sharpness.data.batches import Batch
from sharpness.io.files import write_csv
from sharpness.io.run_record import processor
from sharpness.measures.ball import unit_noise
from sharpness.measures.cell_values import ObjectiveCache
from sharpness.measures.definition import Data, Precision
from sharpness.measures.network import Network
from sharpness.measures.sharpness import measure_cells
from sharpness.measures.worst import checkpoints

STEPS, DRAWS = 20, 20
BATCHES = 1024 // EXAMPLES
IMAGES, ERRORS, DATA_SETS = 320, 10_000, 3


def seconds(job: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor time of a job, and what it returns."""
    start = time.process_time()
    found = job()
    return time.process_time() - start, found


def start_up() -> float:
    """Return the processor time of a process that imports the libraries, the median of three."""
    taken = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", "import torch, torchvision"], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return sorted(taken)[1]


def reference(network: Any, batch: Any, cell: Cell) -> float:
    """Return the value of a cell in ℓ∞ by the reconstruction."""
    what = cell.definition
    model = Reconstruction(network, batch, cell.radius, what.adaptive, what.logit_norm)
    if what.case == "worst":
        return model.worst(STEPS, set(checkpoints(STEPS)))
    flat = torch.cat([p.detach().flatten() for p in network.parameters()])
    return model.average(partial(unit_noise, "linf", flat, 0, 0), DRAWS)


def main() -> None:
    """Write the rows, and print the table."""
    torch.set_num_threads(1)
    network, batch = made(NETWORKS["ResNet"])
    radii = yaml.safe_load(Path("config.yaml").read_text())["pools"]["cifar10-resnet18"]
    cells = [
        Cell(Definition.parse(name), radius, "released")
        for name, values in radii["sharpness"]["radii"].items()
        for radius in values
    ]
    boxes = [cell for cell in cells if cell.definition.norm == "linf"]
    data: dict[Data, list[Batch]] = {"original": [batch]}

    def ours(wanted: list[Cell], precision: Precision) -> dict[Cell, float]:
        points = ObjectiveCache(Network(network), data, cross_entropy)
        effort = Effort(STEPS, DRAWS, precision=precision)
        found = dict(measure_cells(network, data, wanted, effort=effort, points=points))
        return {cell: e.value for cell, e in found.items() if isinstance(e, Estimate)}

    @torch.no_grad()
    def errors() -> None:
        for _ in range(IMAGES // EXAMPLES):
            network(batch[0])

    reference(network, batch, boxes[0])  # the first passes choose the kernels
    runs = {cell: seconds(partial(reference, network, batch, cell)) for cell in boxes}
    start, error = start_up(), seconds(errors)[0] * ERRORS / IMAGES * DATA_SETS
    sides = ["reconstruction", "float32", "mixed"]
    rows: list[dict[str, Any]] = []
    for case in ("average", "worst"):
        theirs = 2 * sum(taken for cell, (taken, _) in runs.items() if cell.definition.case == case)
        wanted = [cell for cell in cells if cell.definition.case == case]
        row = {"part": f"{len(wanted)} cells, {case} case", "reconstruction": theirs * BATCHES}
        for precision in get_args(Precision):
            taken, values = seconds(partial(ours, wanted, precision))
            for cell in set(wanted) & set(boxes):
                compare({"reconstruction": runs[cell][1], precision: values[cell]})
            row[precision] = taken * BATCHES
        rows.append(row)
    once = dict.fromkeys(sides, start + error)
    rows.append(
        {"part": "start and errors", **once, "reconstruction": once["float32"] * len(cells)}
    )
    rows.append({"part": "all", **{side: sum(row[side] for row in rows) for side in sides}})
    for row in rows:
        row |= {f"ratio_{side}": row["reconstruction"] / row[side] for side in sides[1:]}
        row |= {"start_up": start, "processor": processor(), "torch": torch.__version__}
    write_csv(Path("results/benchmarks/one_model.csv"), rows, list(rows[0]))
    print(pd.DataFrame(rows).to_markdown(index=False, floatfmt=".4g"))


if __name__ == "__main__":
    main()
