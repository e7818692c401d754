"""Sharpness of a model: one definition, or a whole table of cells that share their work."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sharpness.average import draws
from sharpness.ball import NORMS, ball, scaling
from sharpness.batches import Batch, rebatched
from sharpness.definition import Cell, Data, Definition, Estimate, Norm, Protocol
from sharpness.estimate import combined
from sharpness.noise import generator
from sharpness.objective import (
    LogitScale,
    Loss,
    Network,
    Objective,
    evaluation_mode,
)
from sharpness.problem import Problem
from sharpness.worst import worst


@dataclass(frozen=True)
class Effort:
    """How much is computed for each cell, where it does not say so itself.

    Attributes:
        steps: Auto-PGD iterations; None is the protocol's own.
        samples: draws per batch in the average case; None is the protocol's own.
        antithetic: draw δ and −δ together; such a pair counts as one draw.
    """

    steps: int | None = None
    samples: int | None = None
    antithetic: bool = False


def sharpness(
    model: nn.Module,
    batches: Sequence[Batch],
    definition: Definition,
    radius: float,
    *,
    protocol: str | Protocol = "paper",
    seed: int = 0,
    loss: Loss = cross_entropy,
    steps: int | None = None,
    samples: int | None = None,
    antithetic: bool = False,
) -> Estimate:
    """m-sharpness of a model (Eq. 1), m being the size of the batches.

    Args:
        model: any module with floating-point parameters; it is measured in evaluation mode and
            left as it was.
        batches: [(inputs, targets), ...]; inputs is a tensor or a mapping of keyword tensors.
        definition: case, norm, adaptive, logit normalization.
        radius: ρ > 0.
        protocol: "paper" (Algorithm 1), "released" (the authors' code), or knobs of your own.
        seed: of the noise. Models that share it share their noise.
        loss: (outputs, targets) → mean loss over a batch.
        steps: Auto-PGD iterations; the protocol's 20 by default.
        samples: draws per batch in the average case; the protocol's 100 or 20 by default.
        antithetic: draw δ and −δ together.

    Returns:
        The estimate: mean over batches, weighted by examples, with its standard error.

    Raises:
        Problem: for a radius ≤ 0, no batches, a model without floating-point parameters, or a
            loss that is not finite.
    """
    knobs = Protocol.named(protocol)
    cell = Cell(definition, radius, knobs.name)
    effort = Effort(steps, samples, antithetic)
    protocols = {knobs.name: knobs}
    # Closed, so that the model is as it was even while a raised problem is being handled.
    with closing(
        measured(model, {"original": batches}, [cell], seed, loss, effort, protocols)
    ) as results:
        return _raise_problem(next(results)[1])


def sharpness_table(
    model: nn.Module,
    batches: Sequence[Batch],
    cells: Sequence[Cell],
    *,
    augmented: Sequence[Batch] = (),
    seed: int = 0,
    loss: Loss = cross_entropy,
    effort: Effort = Effort(),
) -> dict[Cell, Estimate]:
    """Many cells of one model, sharing whatever can be shared.

    Each value is the one that ``sharpness`` returns for the cell alone.

    Args:
        model: as in ``sharpness``.
        batches: the training points as they are; a cell's ``m`` divides them anew.
        cells: what to measure.
        augmented: the same points augmented, for cells whose data is "augmented".
        seed: of the noise.
        loss: (outputs, targets) → mean loss over a batch.
        effort: steps and samples of the cells that do not say so themselves.

    Returns:
        An estimate for each cell, in the order of ``cells``.

    Raises:
        Problem: as in ``sharpness``, for the first cell that has no value.
    """
    data: dict[Data, Sequence[Batch]] = {"original": batches, "augmented": augmented}
    with closing(measured(model, data, cells, seed, loss, effort)) as results:
        found = {cell: _raise_problem(result) for cell, result in results}
    return {cell: found[cell] for cell in cells}


def measured(
    model: nn.Module,
    data: Mapping[Data, Sequence[Batch]],
    cells: Iterable[Cell],
    seed: int = 0,
    loss: Loss = cross_entropy,
    effort: Effort = Effort(),
    protocols: Mapping[str, Protocol] | None = None,
) -> Generator[tuple[Cell, Estimate | Problem], None, None]:
    """Each cell with its estimate, or with the reason why it has none, as soon as it is known.

    Args:
        model: as in ``sharpness``.
        data: batches of each kind of data.
        cells: what to measure; they come back in an order that shares forward passes.
        seed: of the noise.
        loss: (outputs, targets) → mean loss over a batch.
        effort: steps and samples of the cells that do not say so themselves.
        protocols: knobs by name where they are not the presets.

    Yields:
        (cell, estimate or problem).
    """
    named = protocols or {}
    groups: dict[tuple[object, ...], list[_Task]] = defaultdict(list)
    for cell in cells:
        try:
            task = _Task(cell, named.get(cell.protocol), effort)
        except Problem as problem:
            yield cell, problem
        else:
            alike = cell if cell.definition.case == "worst" else _noise_of(cell)
            groups[(cell.data, cell.m, alike)].append(task)
    with evaluation_mode(model):
        try:
            batched = _Batched(Network(model), data, loss)
        except Problem as problem:
            yield from ((task.cell, problem) for group in groups.values() for task in group)
            return
        for tasks in groups.values():
            try:
                objectives = batched.objectives(tasks[0].cell)
                values = _values(objectives, tasks, seed, effort.antithetic)
            except Problem as problem:
                yield from ((task.cell, problem) for task in tasks)
                continue
            examples = [objective.examples for objective in objectives]
            for task, per_batch in zip(tasks, values, strict=True):
                yield task.cell, _combined(per_batch, examples)


class _Task:
    """A cell with its protocol and effort filled in."""

    def __init__(self, cell: Cell, protocol: Protocol | None, effort: Effort) -> None:
        self.cell = cell
        self.protocol = protocol or Protocol.named(cell.protocol)
        self.steps = _first(cell.steps, effort.steps, self.protocol.steps)
        self.samples = _first(effort.samples, self.protocol.samples)
        if not (cell.radius > 0 and math.isfinite(cell.radius)):
            raise Problem(f"radius is {cell.radius}; it must be a positive number")
        for name, number in ("m", cell.m), ("steps", self.steps), ("samples", self.samples):
            if number is not None and number < 1:
                raise Problem(f"{name} is {number}; it must be at least 1")
        normalize = cell.definition.logit_norm
        self.scale: LogitScale = self.protocol.logit_scale if normalize else None


class _Batched:
    """The objectives of each batch, made once for each kind of data and each m."""

    def __init__(self, network: Network, data: Mapping[Data, Sequence[Batch]], loss: Loss) -> None:
        self._network, self._data, self._loss = network, data, loss
        self._made: dict[tuple[Data, int | None], list[Objective]] = {}

    def objectives(self, cell: Cell) -> list[Objective]:
        key = (cell.data, cell.m)
        if key not in self._made:
            batches = self._data.get(cell.data, ())
            if not batches:
                raise Problem(f"there are no batches of {cell.data} data to measure sharpness on")
            if cell.m is not None:
                batches = rebatched(batches, cell.m)
            self._made[key] = [Objective(self._network, b, self._loss) for b in batches]
        return self._made[key]


def _noise_of(cell: Cell) -> tuple[Norm, bool, float]:
    """What the perturbations of an average-case cell depend on."""
    return cell.definition.norm, cell.definition.adaptive, cell.radius


def _values(
    objectives: list[Objective], tasks: list[_Task], seed: int, antithetic: bool
) -> Sequence[Sequence[Tensor]]:
    """What each task found in each batch, [[(draws or 1,), ...], ...]."""
    if tasks[0].cell.definition.case == "average":
        return _average_case(objectives, tasks, seed, antithetic)
    return [_worst_case(objectives, task, seed) for task in tasks]


def _worst_case(objectives: list[Objective], task: _Task, seed: int) -> list[Tensor]:
    """The maximum of each batch, [(1,), ...]."""
    definition, knobs = task.cell.definition, task.protocol
    weights = objectives[0].network.weights
    feasible = ball(definition, task.cell.radius, weights, knobs)
    return [
        torch.tensor(
            [
                worst(
                    objective,
                    feasible,
                    knobs,
                    task.scale,
                    task.steps,
                    _noise(definition.norm, weights, seed, batch, 0),
                )
            ],
            dtype=torch.float64,
        )
        for batch, objective in enumerate(objectives)
    ]


def _average_case(
    objectives: list[Objective], tasks: list[_Task], seed: int, antithetic: bool
) -> list[list[Tensor]]:
    """The draws of each task and batch, [[(samples,), ...], ...]; all tasks share the passes."""
    cell = tasks[0].cell
    weights = objectives[0].network.weights
    width = cell.radius * scaling(weights, cell.definition.adaptive)
    scales = list(dict.fromkeys(task.scale for task in tasks))
    samples = max(task.samples for task in tasks)
    drawn = [
        draws(
            objective,
            width,
            partial(_noise, cell.definition.norm, weights, seed, batch),
            samples,
            scales,
            antithetic,
        )
        for batch, objective in enumerate(objectives)
    ]
    return [[d[scales.index(task.scale), : task.samples] for d in drawn] for task in tasks]


def _noise(norm: Norm, like: Tensor, seed: int, batch: int, draw: int) -> Tensor:
    return NORMS[norm].noise(like, generator(like.device, seed, batch, draw))


def _combined(per_batch: Sequence[Tensor], examples: Sequence[int]) -> Estimate | Problem:
    try:
        return combined(per_batch, examples)
    except Problem as problem:
        return problem


def _first(*choices: int | None) -> int:
    return next(choice for choice in choices if choice is not None)


def _raise_problem(result: Estimate | Problem) -> Estimate:
    if isinstance(result, Problem):
        raise result
    return result
