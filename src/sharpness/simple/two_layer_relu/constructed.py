"""The explicit solutions as rows beside the trained ones."""

from __future__ import annotations

from collections.abc import Iterator

from sharpness.simple.two_layer_relu.constructions import exclusive_or, generalising, memorising
from sharpness.simple.two_layer_relu.measures import measured
from sharpness.simple.two_layer_relu.solution import Solution, bounds
from sharpness.simple.two_layer_relu.training import Training

CONSTRUCTIONS = {
    "no-bias": (generalising,),
    "bias": (memorising, generalising),
    "layernorm": (memorising, generalising),
    "batchnorm": (exclusive_or, generalising),
}
"""The explicit solutions that each architecture has."""


def constructed(training: Training) -> Iterator[Solution]:
    """The explicit solutions of a training's task.

    Args:
        training: of parity by squared error.
    """
    run, task, loss = training.run, training.task, training.loss
    for build in CONSTRUCTIONS.get(run.architecture, ()):
        weights = build(run.architecture, task)
        name = f"{run.architecture}-{build.__name__.replace('_', '-')}"
        row = {
            **{"architecture": run.architecture, "run": name, "role": "construction"},
            **{"seed": training.seed, "task": task.name, "loss": loss.kind, "status": "ok"},
            **training.errors(weights),
            **bounds(run, weights, task),
            **measured(run.architecture, weights, task, loss),
        }
        yield Solution(row, [], weights)
