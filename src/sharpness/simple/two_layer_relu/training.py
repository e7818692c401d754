"""One run with one seed, from its initial weights or wherever a kill left it to its solution."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sharpness.files import digest
from sharpness.simple.two_layer_relu.algorithms import advance
from sharpness.simple.two_layer_relu.data import TASKS, Task
from sharpness.simple.two_layer_relu.initial import initial
from sharpness.simple.two_layer_relu.losses import Loss, test_error
from sharpness.simple.two_layer_relu.measures import gauss_newton, measured
from sharpness.simple.two_layer_relu.modules import NAMES, Weights
from sharpness.simple.two_layer_relu.phases import Phase
from sharpness.simple.two_layer_relu.progress import Progress
from sharpness.simple.two_layer_relu.runs import REVISION, Run
from sharpness.simple.two_layer_relu.stretches import Stretch, stretches
from sharpness.simple.two_layer_relu.traces import outputs, trace

ORDERS = 7
"""Tells the seeds of orders and label noise from those of the data and the initial weights."""

_LONG = 2500  # epochs of a stretch that is worth a line
_PIECES = 8  # of the test inputs, whose activations then stay in the cache: three times as fast


@dataclass(frozen=True)
class Training:
    """All that determines a solution: a run, one of its seeds and a schedule."""

    run: Run
    seed: int
    schedule: str

    @property
    def name(self) -> str:
        """Names its state: the run, the seed and a digest of everything else."""
        settings = {"architecture", "width", "task", "loss", "smoothing", "init"}
        identity = {
            "revision": REVISION,
            "seed": self.seed,
            "phases": [phase.model_dump() for phase in self.run.phases(self.schedule)],
            **self.run.model_dump(include=settings),
        }
        return f"{self.run.id}-{self.seed}-{digest(identity)}"

    @cached_property
    def task(self) -> Task:
        """Its examples."""
        return TASKS[self.run.task.name](self.seed, d=self.run.task.d, n=self.run.task.n)

    @cached_property
    def loss(self) -> Loss:
        """What it minimises."""
        return Loss(self.run.loss, self.run.smoothing)

    def finished(self, state: Path) -> Progress:
        """The solution with its curve and its result, saved after every stretch.

        Args:
            state: folder of the states.
        """
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
        """The weights that it begins with."""
        run, factors = self.run, self.run.init.model_dump()
        return initial(run.architecture, run.task.d, run.width, self.seed, **factors)

    def errors(self, weights: Weights) -> dict[str, float]:
        """The loss and the error on the training examples, and the error on fresh ones."""
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
        """After another stretch; with a result that says so if the weights are not finite then."""
        # In their order, whatever a file made of it: the kernels' sums are in this order.
        weights = {name: progress.weights[name].copy() for name in NAMES[self.run.architecture]}
        phase = Phase(**self.run.phases(self.schedule)[stretch.phase].model_dump())
        seed = (self.seed, ORDERS, stretch.phase, stretch.start)
        epochs = stretch.stop - stretch.start
        advance(self.run.architecture, weights, self.task, self.loss, phase, epochs, seed)
        if not all(np.isfinite(value).all() for value in weights.values()):
            reason = f"diverged by epoch {stretch.stop}"
            return replace(progress, result={"status": "diverged", "reason": reason})
        return Progress(weights, [*progress.curve, self._point(weights, stretch.stop)])

    def _point(self, weights: Weights, epoch: int) -> dict[str, float]:
        """A point of the curve, in float64."""
        weights = {name: value.astype(np.float64) for name, value in weights.items()}
        task, architecture = self.task, self.run.architecture
        return {
            "epoch": epoch,
            **self.errors(weights),
            "trace": trace(architecture, weights, task, self.loss),
            "gauss_newton": gauss_newton(architecture, weights, task, self.loss),
        }

    def _result(self, progress: Progress) -> dict[str, Any]:
        """What the solution is and measures."""
        last = dict(progress.curve[-1])
        self._say(f"test error {last['test_error']:.3f}, trace {last['trace']:.4g}")
        more = measured(self.run.architecture, progress.weights, self.task, self.loss)
        return {"status": "ok", "reason": "", "epochs": last.pop("epoch"), **last, **more}

    def _say(self, text: str) -> None:
        print(f"{self.run.id}, seed {self.seed}: {text}", file=sys.stderr)
