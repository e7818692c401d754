"""How much faster is a cell than by a reconstruction of the paper's released code?

A PreAct ResNet and a SimpleViT with random weights, one batch of 64 images of 32 x 32 pixels, one
thread, protocol ``released``, ℓ∞, adaptive, normalized logits: the worst case in 20 steps, in
float32 and with mixed precision, and the average case in 20 draws; each plain and compiled. Each
side has a process of its own, with the settings of its jobs. What the cells of a model share, its
checks, unperturbed loss and compilation, is done in the first turn, in which the values of both
sides are compared. The others are timed: both sides take turns, and each ratio is of the processor
times of one turn, which other processes disturb less than the clock. One row a side goes to
``results/benchmarks/cells.csv``.

    python benchmarks/cells.py
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from reconstruction import Reconstruction
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sharpness import Cell, Definition, Effort, Estimate
from sharpness.data.batches import Batch
from sharpness.io.files import write_csv
from sharpness.io.job import compute_device
from sharpness.io.run_record import processor
from sharpness.measures.ball import unit_noise
from sharpness.measures.cell_values import ObjectiveCache
from sharpness.measures.definition import Data, Precision
from sharpness.measures.network import Network
from sharpness.measures.sharpness import measure_cells
from sharpness.measures.worst import checkpoints
from sharpness.networks import build, initialise

STEPS, DRAWS, TURNS, EXAMPLES = 20, 20, 5, 64
RADIUS = {"worst": 0.002, "average": 0.1}
TOLERANCE = {"float32": 2e-3, "mixed": 0.2, "compiled": 0.01, "compiled, mixed": 0.2}
"""Largest relative difference between the values of both sides; mixed is another ascent.

In float32 it is rounding: an ℓ2 norm is summed in another order, and in float64 none is left.
"""
ROUNDING = 1e-6
"""Of a loss in float32; the layouts of the two sides differ."""
IMAGES = {"in_channels": 3, "classes": 10}
NETWORKS: dict[str, dict[str, Any]] = {
    "ResNet": {"name": "preact-resnet", "width": 16, "blocks": [2, 2, 2, 2], **IMAGES},
    "ViT": {
        "name": "simple-vit",
        "image_size": 32,
        "patch_size": 4,
        "dim": 128,
        "depth": 6,
        "heads": 4,
        "dim_head": 32,
        "mlp_dim": 256,
        **IMAGES,
    },
}


def made(
    architecture: dict[str, Any], examples: int = EXAMPLES, device: str = "cpu"
) -> tuple[nn.Module, tuple[Tensor, Tensor]]:
    """Return a network and a batch."""
    stream, side = torch.Generator().manual_seed(0), architecture.get("image_size", 32)
    network = build(architecture)
    initialise(network, stream)
    images = torch.rand(examples, 3, side, side, generator=stream)
    labels = torch.arange(examples) % 10
    return network.eval().to(device), (images.to(device), labels.to(device))


def sides(
    network: nn.Module, batch: tuple[Tensor, Tensor], case: str
) -> dict[str, Callable[[], float]]:
    """Return what gives the value on each side: the reconstruction, and ours in several ways."""
    definition = Definition.parse(f"{case}-linf-adaptive-normlogits")
    radius = RADIUS[case]
    reference = Reconstruction(network, batch, radius, adaptive=True, logit_norm=True)
    flat = torch.cat([p.detach().flatten() for p in network.parameters()])

    noise = partial(unit_noise, "linf", flat, 0, 0)
    data: dict[Data, list[Batch]] = {"original": [batch]}
    plain, compiled = (
        ObjectiveCache(Network(network, compiled=each), data, cross_entropy)
        for each in (False, True)
    )
    cell = Cell(definition, radius, "released")

    def ours(points: ObjectiveCache, precision: Precision = "float32") -> float:
        effort = Effort(STEPS, DRAWS, precision=precision)
        ((_, found),) = measure_cells(network, data, [cell], effort=effort, points=points)
        assert isinstance(found, Estimate)
        return found.value

    if case == "average":
        return {
            "reconstruction": partial(reference.average, noise, DRAWS),
            "float32": partial(ours, plain),
            "compiled": partial(ours, compiled),
        }
    return {
        "reconstruction": partial(reference.worst, STEPS, set(checkpoints(STEPS))),
        "float32": partial(ours, plain),
        "mixed": partial(ours, plain, "mixed"),
        "compiled": partial(ours, compiled),
        "compiled, mixed": partial(ours, compiled, "mixed"),
    }


def compare(values: dict[str, float]) -> None:
    """Raise ValueError if a side has another value than the reconstruction."""
    expected = values["reconstruction"]
    for side, value in values.items():
        if not abs(value - expected) <= TOLERANCE.get(side, 0) * abs(expected) + ROUNDING:
            raise ValueError(f"{side} gives {value}, the reconstruction {expected}")


def seconds(
    job: Callable[[], Any], clock: Callable[[], float] = time.process_time
) -> tuple[float, Any]:
    """Return the seconds of a job, by default of the processor, and what it returns."""
    start = clock()
    found = job()
    return clock() - start, found


def processes() -> tuple[Executor, Executor]:
    """Return a process for the reconstruction, and one with the settings of our jobs."""
    spawn = get_context("spawn")
    return (
        ProcessPoolExecutor(1, spawn, torch.set_num_threads, (1,)),
        ProcessPoolExecutor(1, spawn, compute_device, ("cpu",)),
    )


@cache
def jobs(name: str, case: str) -> dict[str, Callable[[], float]]:
    """Return the jobs of a network in this process."""
    network, batch = made(NETWORKS[name])
    return sides(network, batch, case)


def turn(name: str, case: str, side: str) -> tuple[float, float]:
    """Return the seconds and the value of a side, in this process."""
    return seconds(jobs(name, case)[side])


def measured(name: str, case: str) -> Iterator[dict[str, Any]]:
    """Yield the row of each side."""
    released, ours = processes()
    places = dict.fromkeys(jobs(name, case), ours) | {"reconstruction": released}
    times: dict[str, list[float]] = {side: [] for side in places}
    values = {}
    with released, ours:
        for _ in range(1 + TURNS):
            for side, place in places.items():
                taken, values[side] = place.submit(turn, name, case, side).result()
                times[side].append(taken)
            compare(values)
    for side, (_, *taken) in times.items():
        ratios = np.divide(times["reconstruction"][1:], taken)
        yield {
            "network": name,
            "weights": sum(p.numel() for p in build(NETWORKS[name]).parameters()),
            "case": case,
            "side": side,
            "value": values[side],
            "n": TURNS,
            "seconds": np.median(taken),
            "ratio": np.median(ratios),
            "lowest": ratios.min(),
            "highest": ratios.max(),
        }


def main() -> None:
    """Write the rows, and print the table."""
    rows = [
        row for name in NETWORKS for case in ("worst", "average") for row in measured(name, case)
    ]
    about = {"processor": processor(), "threads": 1, "torch": torch.__version__}
    rows = [{**row, **about} for row in rows]
    write_csv(Path("results/benchmarks/cells.csv"), rows, list(rows[0]))
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    print(pd.DataFrame(rows).drop(columns=list(about)).to_markdown(index=False, floatfmt=".4g"))


if __name__ == "__main__":
    main()
