"""All 48 cells of Table 3 and three errors of one CIFAR-10 model: one job against 48 runs.

The released code starts a process for each cell, and evaluates the errors in each. Its cells are
timed by a reconstruction, in turns with ours. The values of both are compared in one layout of
images: at small radii another rounding takes another ascent. Ours share what the cells of a job
share, and have one start and one evaluation of errors. Each side has a process of its own, with the
settings of its jobs. Protocol ``released``, a random ResNet of width 16, one thread, processor
time. One batch of 128 images stands for the protocol's eight, and 384 images for the 10,000 of each
error; both are counted accordingly. Compilation, which the models of an architecture share, is
timed by the clock with nothing kept of it before: part of it is done by other processes. One row a
part goes to ``results/benchmarks/one_model.csv``.

    python benchmarks/one_model.py
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import torch
import yaml
from cells import NETWORKS, compare, made, processes, seconds
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

STEPS, DRAWS, EXAMPLES = 20, 20, 128
BATCHES = 1024 // EXAMPLES
IMAGES, ERRORS, DATA_SETS = 384, 10_000, 3
SIDES: dict[str, tuple[Precision, bool]] = {
    "float32": ("float32", False),
    "mixed": ("mixed", False),
    "compiled, mixed": ("mixed", True),
}
"""Precision, and whether passes are compiled."""
FIRST = [
    Cell(Definition.parse(f"{case}-linf-adaptive-normlogits"), 1e-3, "released")
    for case in ("worst", "average")
]


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
def job(side: str) -> Callable[[list[Cell]], dict[Cell, float]]:
    """Return what measures cells by the package; those of one side share what a job shares."""
    network, batch = made(NETWORKS["ResNet"], EXAMPLES)
    data: dict[Data, list[Batch]] = {"original": [batch]}
    precision, compiled = SIDES[side]
    effort = Effort(STEPS, DRAWS, precision=precision)
    points = ObjectiveCache(Network(network, compiled=compiled), data, cross_entropy)

    def measure(cells: list[Cell]) -> dict[Cell, float]:
        found = measure_cells(network, data, cells, effort=effort, points=points)
        return {cell: e.value for cell, e in found if isinstance(e, Estimate)}

    return measure


def reference(cell: Cell, channels_last: bool = False) -> tuple[float, float]:
    """Return the seconds and the value of a cell by the reconstruction."""
    what, l2 = cell.definition, cell.definition.norm == "l2"
    network, batch = made(NETWORKS["ResNet"], EXAMPLES)
    settings = cell.radius, what.adaptive, what.logit_norm, l2, channels_last
    model = Reconstruction(network, batch, *settings)
    if what.case == "worst":
        return seconds(partial(model.worst, STEPS, set(checkpoints(STEPS))))
    flat = torch.cat([p.detach().flatten() for p in network.parameters()])
    noise = partial(unit_noise, what.norm, flat, 0, 0)
    return seconds(partial(model.average, noise, DRAWS))


def ours(cells: list[Cell], side: str) -> tuple[float, dict[Cell, float]]:
    """Return the seconds and the values of some cells by the package."""
    return seconds(partial(job(side), cells))


def compilation(side: str) -> float:
    """Return the seconds that a side takes longer for its first cells than for the same again."""
    with TemporaryDirectory() as empty:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = empty
        work = partial(job(side), FIRST)
        (first, _), (again, _) = (seconds(work, time.perf_counter) for _ in range(2))
    return first - again


def errors(channels_last: bool) -> float:
    """Return the seconds of the three errors."""
    network, batch = made(NETWORKS["ResNet"], EXAMPLES)
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


def row(part: str, times: dict[str, float]) -> dict[str, Any]:
    """Return the seconds of each side, and their ratios where both sides have the part."""
    of = times["reconstruction"]
    ratios = {f"ratio, {side}": of / times[side] for side in SIDES if of and times[side]}
    return {"part": part, **times, **ratios}


def main() -> None:
    """Write the rows, and print the table."""
    released, package = processes()
    start = start_up()
    taken: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    with released, package:
        each_run = start + released.submit(errors, False).result()
        once = start + package.submit(errors, True).result()
        for side, (_, compiled) in SIDES.items():
            taken["start and errors"][side] = once
            if compiled:
                taken["compilation"][side] = package.submit(compilation, side).result()
        for (case, *_), cells in groups().items():
            runs = {cell: released.submit(reference, cell).result()[0] for cell in cells}
            alike = {cell: released.submit(reference, cell, True).result()[1] for cell in cells}
            part = f"cells, {case} case"
            taken[part]["reconstruction"] += BATCHES * sum(runs.values())
            taken["start and errors"]["reconstruction"] += len(cells) * each_run
            for side in SIDES:
                each, values = package.submit(ours, cells, side).result()
                taken[part][side] += BATCHES * each
                for cell in cells:
                    compare({"reconstruction": alike[cell], side: values[cell]})
    every = ("reconstruction", *SIDES)
    taken["all"] = {side: sum(times[side] for times in taken.values()) for side in every}
    about = {"start_up": start, "processor": processor(), "torch": torch.__version__}
    rows = [row(part, times) for part, times in taken.items()]
    write_csv(
        Path("results/benchmarks/one_model.csv"), [r | about for r in rows], [*rows[-1], *about]
    )
    print(pd.DataFrame(rows).to_markdown(index=False, floatfmt=".4g"))
    print(about)


if __name__ == "__main__":
    main()
