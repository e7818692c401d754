"""All 48 cells of Table 3 and three errors of one CIFAR-10 model: one job against 48 runs.

The released code starts a process for each cell, and evaluates the errors in each. Its cells are
timed by a reconstruction, in turns with ours. The values of both are compared in one layout of
images: at small radii another rounding takes another ascent. Ours share what the cells of a job
share, and have one start and one evaluation of errors. Each side has a process of its own, with the
settings of its jobs. Protocol ``released``, a random ResNet of width 16, one thread, processor
time. One batch of 32 images stands for the protocol's 1,024 images, and 320 for the 10,000 of each
error; both are counted accordingly. One row a part goes to ``results/benchmarks/one_model.csv``.

    python benchmarks/one_model.py
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import get_args

import pandas as pd
import torch
import yaml
from cells import EXAMPLES, NETWORKS, compare, made, processes, seconds
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


def start_up() -> float:
    """Return the processor time of a process that imports the libraries, the median of three."""
    taken = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", "import torch, torchvision"], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return sorted(taken)[1]


@cache
def job(precision: Precision) -> Callable[[list[Cell]], dict[Cell, float]]:
    """Return what measures cells by the package; those of one precision share what a job shares."""
    network, batch = made(NETWORKS["ResNet"])
    data: dict[Data, list[Batch]] = {"original": [batch]}
    effort = Effort(STEPS, DRAWS, precision=precision)
    points = ObjectiveCache(Network(network), data, cross_entropy)

    def measure(cells: list[Cell]) -> dict[Cell, float]:
        found = measure_cells(network, data, cells, effort=effort, points=points)
        return {cell: e.value for cell, e in found if isinstance(e, Estimate)}

    return measure


def reference(cell: Cell, channels_last: bool = False) -> tuple[float, float]:
    """Return the seconds and the value of a cell by the reconstruction."""
    what, l2 = cell.definition, cell.definition.norm == "l2"
    network, batch = made(NETWORKS["ResNet"])
    settings = cell.radius, what.adaptive, what.logit_norm, l2, channels_last
    model = Reconstruction(network, batch, *settings)
    if what.case == "worst":
        return seconds(partial(model.worst, STEPS, set(checkpoints(STEPS))))
    flat = torch.cat([p.detach().flatten() for p in network.parameters()])
    noise = partial(unit_noise, what.norm, flat, 0, 0)
    return seconds(partial(model.average, noise, DRAWS))


def ours(cells: list[Cell], precision: Precision) -> tuple[float, dict[Cell, float]]:
    """Return the seconds and the values of some cells by the package."""
    return seconds(partial(job(precision), cells))


def errors(channels_last: bool) -> float:
    """Return the seconds of the three errors."""
    network, batch = made(NETWORKS["ResNet"])
    network.channels_last = channels_last

    @torch.no_grad()
    def passes() -> None:
        for _ in range(IMAGES // EXAMPLES):
            network(batch[0])

    passes()  # the first ones choose the kernels
    return seconds(passes)[0] * ERRORS / IMAGES * DATA_SETS


def groups() -> dict[tuple[str, str, bool], list[Cell]]:
    """Return the cells of Table 3 by case, norm and scaling; those of a group share their noise."""
    pool = yaml.safe_load(Path("config.yaml").read_text())["pools"]["cifar10-resnet18"]
    found: dict[tuple[str, str, bool], list[Cell]] = defaultdict(list)
    for name, radii in pool["sharpness"]["radii"].items():
        what = Definition.parse(name)
        found[what.case, what.norm, what.adaptive] += [Cell(what, r, "released") for r in radii]
    return found


def main() -> None:
    """Write the rows, and print the table."""
    released, package = processes()
    start, shared = start_up(), get_args(Precision)
    taken: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    with released, package:
        each_run = start + released.submit(errors, False).result()
        once = start + package.submit(errors, True).result()
        for (case, *_), cells in groups().items():
            runs = {cell: released.submit(reference, cell).result()[0] for cell in cells}
            alike = {cell: released.submit(reference, cell, True).result()[1] for cell in cells}
            part = f"cells, {case} case"
            taken[part]["reconstruction"] += BATCHES * sum(runs.values())
            taken["start and errors"]["reconstruction"] += len(cells) * each_run
            for precision in shared:
                each, values = package.submit(ours, cells, precision).result()
                taken[part][precision] += BATCHES * each
                taken["start and errors"][precision] = once
                for cell in cells:
                    compare({"reconstruction": alike[cell], precision: values[cell]})
    for side in ("reconstruction", *shared):
        taken["all"][side] = sum(row[side] for part, row in taken.items() if part != "all")
    about = {"start_up": start, "processor": processor(), "torch": torch.__version__}
    rows = [
        {"part": part, **row, **{f"ratio_{p}": row["reconstruction"] / row[p] for p in shared}}
        for part, row in taken.items()
    ]
    write_csv(
        Path("results/benchmarks/one_model.csv"), [row | about for row in rows], [*rows[0], *about]
    )
    print(pd.DataFrame(rows).to_markdown(index=False, floatfmt=".4g"))
    print(about)


if __name__ == "__main__":
    main()
