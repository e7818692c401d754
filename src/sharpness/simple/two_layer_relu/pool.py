"""The solutions of an architecture: each of its runs with each seed, and the constructions.

A solution depends on its run, its seed and the schedule alone, not on what else is in its job.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from sharpness.files import write_csv
from sharpness.simple.two_layer_relu.constructed import constructed
from sharpness.simple.two_layer_relu.runs import Run
from sharpness.simple.two_layer_relu.solution import COLUMNS, POINTS, Solution, bounds
from sharpness.simple.two_layer_relu.training import Training
from sharpness.training import checkpoint


def solutions(
    architecture: str, runs: Iterable[Run], seeds: Sequence[int], schedule: str, state: str | Path
) -> list[Solution]:
    """Train the runs of an architecture, as far as the state lacks them, and add constructions.

    Args:
        architecture: which; runs of others are passed over.
        runs: the catalogue's.
        seeds: which of the runs' seeds.
        schedule: "default" or "published".
        state: folder in which finished and unfinished trainings are kept, a file each.

    Returns:
        Runs in their order, seeds within them; then the constructions on each seed's parity task.
    """
    trainings = [
        Training(run, seed, schedule)
        for run in runs
        if run.architecture == architecture
        for seed in seeds
        if seed in run.seeds
    ]
    found = [_trained(training, Path(state)) for training in trainings]
    for seed in seeds:
        of_seed = (training for training in trainings if training.seed == seed)
        first = next((training for training in of_seed if training.run.pool), None)
        found += constructed(first) if first else ()
    return found


def write_solutions(
    found: Sequence[Solution], rows: str | Path, curves: str | Path, weights: str | Path
) -> None:
    """Write solutions as a CSV of ``COLUMNS``, their curves as one of ``POINTS``, their weights.

    Args:
        found: the solutions.
        rows: path of the first CSV.
        curves: path of the second.
        weights: path of a safetensors file of the tensors ``<run>/<seed>/<name>``.
    """
    write_csv(rows, (solution.row for solution in found), COLUMNS)
    write_csv(curves, (point for solution in found for point in solution.curve), POINTS)
    tensors = {
        f"{solution.row['run']}/{solution.row['seed']}/{name}": torch.from_numpy(value)
        for solution in found
        for name, value in solution.weights.items()
    }
    checkpoint.save(weights, tensors, {})


def _trained(training: Training, state: Path) -> Solution:
    """A training's solution, with a row that says what it is."""
    run, seed = training.run, training.seed
    progress = training.finished(state)
    row = {
        **{"architecture": run.architecture, "run": run.id, "role": run.role, "seed": seed},
        **{"task": run.task.name, "loss": run.loss, "schedule": training.schedule},
        **bounds(run, progress.weights, training.task),
        **(progress.result or {}),
    }
    curve = [{"run": run.id, "seed": seed, **point} for point in progress.curve]
    return Solution(row, curve, progress.weights)
