"""Training of one run with one seed, resumable after a kill."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sharpness.io.errors import UserError
from sharpness.io.files import digest
from sharpness.studies.wen import batchnorm, layernorm, plain
from sharpness.studies.wen.measures import gauss_newton, measure_solution, outputs, trace
from sharpness.studies.wen.networks import (
    NAMES,
    TASKS,
    EpochSchedule,
    LearningTask,
    Loss,
    Weights,
    initial_weights,
    test_error,
)
from sharpness.studies.wen.runs import REVISION, Phase, Run
from sharpness.training import checkpoint

POINTS = 20
"""Points of a curve at epochs that grow by a constant factor, for a logarithmic axis."""

LONGEST = 5000
"""Maximum epochs of a stretch; a kill loses the stretch in progress."""


@dataclass(frozen=True)
class Stretch:
    """Epochs of one phase (index from 0) between two points of the curve.

    ``start`` and ``stop`` count the epochs of the whole training.
    """

    phase: int
    start: int
    stop: int


def stretches(phases: Sequence[int]) -> list[Stretch]:
    """Split a training into stretches, given the epochs of each phase (all positive)."""
    ends = np.cumsum(phases)
    total = int(ends[-1])
    growing = np.geomspace(1, total, POINTS).round().astype(int)
    marks = {*growing.tolist(), *range(LONGEST, total, LONGEST), *ends.tolist()}
    stops = sorted(marks)
    phase_of = np.searchsorted(ends, stops, side="left").tolist()
    return [Stretch(*values) for values in zip(phase_of, [0, *stops], stops, strict=False)]


@dataclass(frozen=True)
class Progress:
    """A training after some of its stretches.

    ``curve`` has the initial point and one per stretch done; ``result``, the measures of the
    finished solution, is None before.
    """

    weights: Weights
    curve: list[dict[str, float]]
    result: dict[str, Any] | None = None

    def save(self, path: Path) -> None:
        """Replace the file atomically: a kill leaves either the old or the new progress."""
        tensors = {name: torch.from_numpy(value) for name, value in self.weights.items()}
        checkpoint.save(path, tensors, {"curve": self.curve, "result": self.result})

    @classmethod
    def load(cls, path: Path) -> Progress | None:
        """Load the progress of a file; None if it is missing, or unreadable after a power cut."""
        try:
            tensors, metadata = checkpoint.load(path)
        except UserError:
            return None
        weights = {name: tensor.numpy().copy() for name, tensor in tensors.items()}
        return cls(weights, metadata["curve"], metadata["result"])


TRAINERS = dict.fromkeys(NAMES, plain) | {"layernorm": layernorm, "batchnorm": batchnorm}
"""For each architecture, the module whose ``advance`` trains it."""


def advance(
    architecture: str,
    weights: Weights,
    task: LearningTask,
    loss: Loss,
    phase: Phase,
    epochs: int,
    seed: Sequence[int],
) -> None:
    """Train ``weights`` for some epochs, in place and in their own precision.

    Each epoch visits the training examples in a fresh order; the last batch of an epoch is smaller
    where the batch size does not divide n. A run in chunks gives each chunk a seed of its own.

    The arrays of ``weights`` must be C-contiguous, float32 or float64. ``phase.epochs`` is not
    read. ``seed`` determines the orders and the label noise.
    """
    n, precision = len(task.targets), weights["W1"].dtype
    rng = np.random.default_rng(list(seed))
    orders = rng.permuted(np.tile(np.arange(n), (epochs, 1)), axis=1)  # (epochs, n)
    noise = np.zeros((epochs, n), dtype=precision)
    if phase.noise:
        noise[:] = phase.noise * rng.choice([-1.0, 1.0], size=(epochs, n))
    X, y = task.inputs.astype(precision), task.targets.astype(precision)
    visits = EpochSchedule(X, y, loss, phase, orders, noise)
    TRAINERS[architecture].advance(architecture, weights, visits)


ORDERS = 7
"""Separates the seeds of orders and label noise from those of the data and the initial weights."""

_LONG = 2500  # epochs from which a stretch gets a line of progress
_PIECES = 8  # of the test inputs, so that activations fit the cache: three times as fast


@dataclass(frozen=True)
class Training:
    """All that determines a solution: a run, one of its seeds and a schedule."""

    run: Run
    seed: int
    schedule: str

    @property
    def name(self) -> str:
        """Return the state's name: the run, the seed and a digest of everything else."""
        settings = {"architecture", "width", "task", "loss", "smoothing", "init"}
        identity = {
            "revision": REVISION,
            "seed": self.seed,
            "phases": [phase.model_dump() for phase in self.run.phases(self.schedule)],
            **self.run.model_dump(include=settings),
        }
        return f"{self.run.id}-{self.seed}-{digest(identity)}"

    @cached_property
    def task(self) -> LearningTask:
        """Return the task with its examples."""
        return TASKS[self.run.task.name](self.seed, d=self.run.task.d, n=self.run.task.n)

    @cached_property
    def loss(self) -> Loss:
        """Return the training loss."""
        return Loss(self.run.loss, self.run.smoothing)

    def finished(self, state: Path) -> Progress:
        """Train to the end, saving to folder ``state`` after every stretch; return the solution."""
        file = state / f"{self.name}.safetensors"
        progress = Progress.load(file)
        if progress is None:
            weights = self.initial()
            progress = Progress(weights, [self._point(weights, 0)])
        planned = stretches([phase.epochs for phase in self.run.phases(self.schedule)])
        for stretch in planned[len(progress.curve) - 1 :]:
            if progress.result is not None:
                break
            progress = self._continued(progress, stretch)
            progress.save(file)
            if stretch.stop - stretch.start >= _LONG:
                self._say(f"epoch {stretch.stop} of {planned[-1].stop}")
        if progress.result is None:
            progress = replace(progress, result=self._result(progress))
            progress.save(file)
        return progress

    def initial(self) -> Weights:
        """Return the initial weights."""
        run, factors = self.run, self.run.init.model_dump()
        return initial_weights(run.architecture, run.task.d, run.width, self.seed, **factors)

    def errors(self, weights: Weights) -> dict[str, float]:
        """Return the training loss, training error and test error of some weights."""
        task, architecture = self.task, self.run.architecture
        f = outputs(architecture, weights, task.inputs, task.inputs)
        pieces = np.array_split(task.test_inputs, _PIECES)
        fresh = [outputs(architecture, weights, piece, task.inputs) for piece in pieces]
        seen = replace(task, test_inputs=task.inputs, test_targets=task.targets)
        return {
            "train_loss": self.loss.value(f, task.targets),
            "train_error": test_error(seen, f),
            "test_error": test_error(task, np.concatenate(fresh)),
        }

    def _continued(self, progress: Progress, stretch: Stretch) -> Progress:
        """Train another stretch; if weights are then not finite, set the result to diverged."""
        # In the order of NAMES, which a file may change: the kernels' sums are in this order.
        weights = {name: progress.weights[name].copy() for name in NAMES[self.run.architecture]}
        phase = self.run.phases(self.schedule)[stretch.phase]
        seed = (self.seed, ORDERS, stretch.phase, stretch.start)
        epochs = stretch.stop - stretch.start
        advance(self.run.architecture, weights, self.task, self.loss, phase, epochs, seed)
        if not all(np.isfinite(value).all() for value in weights.values()):
            reason = f"diverged by epoch {stretch.stop}"
            return replace(progress, result={"status": "diverged", "reason": reason})
        return Progress(weights, [*progress.curve, self._point(weights, stretch.stop)])

    def _point(self, weights: Weights, epoch: int) -> dict[str, float]:
        """Return a point of the curve, in float64."""
        weights = {name: value.astype(np.float64) for name, value in weights.items()}
        task, architecture = self.task, self.run.architecture
        return {
            "epoch": epoch,
            **self.errors(weights),
            "trace": trace(architecture, weights, task, self.loss),
            "gauss_newton": gauss_newton(architecture, weights, task, self.loss),
        }

    def _result(self, progress: Progress) -> dict[str, Any]:
        last = dict(progress.curve[-1])
        self._say(f"test error {last['test_error']:.3f}, trace {last['trace']:.4g}")
        more = measure_solution(self.run.architecture, progress.weights, self.task, self.loss)
        return {"status": "ok", "reason": "", "epochs": last.pop("epoch"), **last, **more}

    def _say(self, text: str) -> None:
        print(f"{self.run.id}, seed {self.seed}: {text}", file=sys.stderr)
