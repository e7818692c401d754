"""The solutions of an architecture: each of its runs with each seed, and the constructions.

A solution depends on its run, its seed and the schedule alone, not on the rest of its job.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sharpness.io.files import write_csv
from sharpness.studies.wen.batchnorm import active_neurons
from sharpness.studies.wen.constructions import exclusive_or, generalising, least_trace, memorising
from sharpness.studies.wen.measures import COLUMNS as MEASURES
from sharpness.studies.wen.measures import measure_solution
from sharpness.studies.wen.networks import LearningTask, Weights
from sharpness.studies.wen.runs import Run
from sharpness.studies.wen.training import Training
from sharpness.training import checkpoint

COLUMNS = (
    *("architecture", "run", "role", "seed", "task", "loss", "schedule", "epochs"),
    *("status", "reason", "train_loss", "train_error", "test_error"),
    *("bound", "active_bound"),
    *MEASURES,
)
"""Columns of the CSV of solutions.

Errors are shares of wrong signs, or on the ball mean squared errors. ``bound`` is the least trace
of any interpolator, ``active_bound`` that with as many active neurons, where they matter.
"""

POINTS = (
    *("run", "seed", "epoch", "train_loss", "train_error", "test_error", "trace", "gauss_newton"),
)
"""Columns of the CSV of curves."""


@dataclass(frozen=True)
class Solution:
    """A trained or constructed network, with a row of ``COLUMNS``.

    ``curve`` holds rows of ``POINTS``; it is empty for a construction.
    """

    row: dict[str, Any]
    curve: list[dict[str, Any]]
    weights: Weights


def known_bounds(run: Run, weights: Weights, task: LearningTask) -> dict[str, float]:
    """Return ``bound`` and ``active_bound`` where they are known: for parity by squared error.

    The latter is 4√k with simplified BatchNorm, whose k active neurons each add to the trace.
    """
    known = ("no-bias", "bias", "layernorm", "batchnorm")
    if not run.pool or run.architecture not in known:
        return {}
    found = {"bound": least_trace(run.architecture, run.task.d)}
    if run.architecture == "batchnorm":
        found["active_bound"] = 4 * math.sqrt(active_neurons(weights, task.inputs))
    return found


CONSTRUCTIONS = {
    "no-bias": (generalising,),
    "bias": (memorising, generalising),
    "layernorm": (memorising, generalising),
    "batchnorm": (exclusive_or, generalising),
}
"""Explicit solutions of each architecture."""


def constructed(training: Training) -> Iterator[Solution]:
    """Yield the explicit solutions of a training's task, which is parity by squared error."""
    run, task, loss = training.run, training.task, training.loss
    for build in CONSTRUCTIONS.get(run.architecture, ()):
        weights = build(run.architecture, task)
        name = f"{run.architecture}-{build.__name__.replace('_', '-')}"
        row = {
            **{"architecture": run.architecture, "run": name, "role": "construction"},
            **{"seed": training.seed, "task": task.name, "loss": loss.kind, "status": "ok"},
            **training.errors(weights),
            **known_bounds(run, weights, task),
            **measure_solution(run.architecture, weights, task, loss),
        }
        yield Solution(row, [], weights)


def solutions(
    architecture: str, runs: Iterable[Run], seeds: Sequence[int], schedule: str, state: str | Path
) -> list[Solution]:
    """Train the runs of an architecture on some seeds, and add the explicit constructions.

    ``runs`` of other architectures are skipped. ``schedule`` is "default" or "published". The
    folder ``state`` keeps a file per training, from which it continues. The result holds runs in
    their order, seeds within them; then the constructions on each seed's parity task.
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
    """Write solutions to a CSV of ``COLUMNS``, curves to one of ``POINTS``, and the weights.

    The weights are tensors ``<run>/<seed>/<name>`` in a safetensors file.
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
    """Finish a training and return its solution."""
    run, seed = training.run, training.seed
    progress = training.finished(state)
    row = {
        **{"architecture": run.architecture, "run": run.id, "role": run.role, "seed": seed},
        **{"task": run.task.name, "loss": run.loss, "schedule": training.schedule},
        **known_bounds(run, progress.weights, training.task),
        **(progress.result or {}),
    }
    curve = [{"run": run.id, "seed": seed, **point} for point in progress.curve]
    return Solution(row, curve, progress.weights)
