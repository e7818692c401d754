"""Sharpness of a model: one definition, or many cells that share their work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from functools import partial

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sharpness.data.batches import Batch
from sharpness.io.errors import UserError
from sharpness.measures.average import combine_batches
from sharpness.measures.cell_values import (
    AS_THE_PROTOCOL,
    CellTask,
    Effort,
    ObjectiveCache,
    noise_key,
    values_of,
)
from sharpness.measures.definition import Cell, Data, Definition, Estimate, Protocol
from sharpness.measures.micro_batch import MicroBatch, OutOfMemory
from sharpness.measures.objective import Loss, Network, evaluation_mode


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
    micro_batch: int | None = None,
) -> Estimate:
    """Measure the m-sharpness of a model (Eq. 1), where m is the size of the batches.

    Args:
        model: any module with floating-point parameters; it is measured in evaluation mode and
            left as it was.
        batches: [(inputs, targets), ...]; inputs is a tensor or a mapping of keyword tensors.
        definition: case, norm, adaptive, logit normalization.
        radius: ρ > 0.
        protocol: "paper" (Algorithm 1), "released" (the authors' code), or your own ``Protocol``.
        seed: of the noise. Models with the same seed get the same noise.
        loss: (outputs, targets) → mean loss over the examples of a batch.
        steps: Auto-PGD iterations; the protocol's 20 by default.
        samples: draws per batch in the average case; the protocol's 100 or 20 by default.
        antithetic: draw δ and −δ together.
        micro_batch: most examples in one pass through the model; None is a whole batch. A small
            one takes less memory and gives the same value, up to rounding. When memory runs out,
            it is halved, with a message on standard error.

    Returns:
        The estimate: mean over batches, weighted by examples, with its standard error.

    Raises:
        UserError: for a radius ≤ 0, no batches, a model without floating-point parameters, or a
            loss that is not finite.
    """
    knobs = Protocol.named(protocol)
    cell = Cell(definition, radius, knobs.name)
    effort = Effort(steps, samples, antithetic)
    data: dict[Data, Sequence[Batch]] = {"original": batches}
    protocols, room = {knobs.name: knobs}, MicroBatch(micro_batch)
    results = measure_cells(model, data, [cell], seed, loss, effort, protocols, room)
    # Closing restores the mode of the model even while a raised error is being handled.
    with closing(results):
        return _raise_problem(next(results)[1])


def sharpness_table(
    model: nn.Module,
    batches: Sequence[Batch],
    cells: Sequence[Cell],
    *,
    augmented: Sequence[Batch] = (),
    seed: int = 0,
    loss: Loss = cross_entropy,
    effort: Effort = AS_THE_PROTOCOL,
    micro_batch: int | None = None,
) -> dict[Cell, Estimate]:
    """Measure many cells of one model, sharing work between them; return them in the given order.

    Each value is the one that ``sharpness`` returns for the cell alone, and parameters that are not
    described here are as there. A cell's ``m`` divides ``batches`` anew; ``augmented`` holds the
    same points augmented, for cells whose data is "augmented". ``effort`` gives the steps and
    samples of cells that do not set them.

    Raises:
        UserError: as in ``sharpness``, for the first cell that has no value.
    """
    data: dict[Data, Sequence[Batch]] = {"original": batches, "augmented": augmented}
    results = measure_cells(model, data, cells, seed, loss, effort, room=MicroBatch(micro_batch))
    with closing(results):
        found = {cell: _raise_problem(result) for cell, result in results}
    return {cell: found[cell] for cell in cells}


def measure_cells(
    model: nn.Module,
    data: Mapping[Data, Sequence[Batch]],
    cells: Iterable[Cell],
    seed: int = 0,
    loss: Loss = cross_entropy,
    effort: Effort = AS_THE_PROTOCOL,
    protocols: Mapping[str, Protocol] | None = None,
    room: MicroBatch | None = None,
) -> Generator[tuple[Cell, Estimate | UserError], None, None]:
    """Yield each cell with its estimate, or with the error why it has none, once it is known.

    The cells come in an order that shares forward passes. ``data`` holds the batches of each kind
    of data; ``effort`` is as in ``sharpness_table``; ``protocols`` replaces presets by name.
    ``room`` limits the examples in one pass, here and in later calls: when memory runs out, it is
    halved and the cells at hand start anew. Values depend on it by rounding alone.

    Raises:
        OutOfMemory: if memory is too small for one example.
    """
    named, room = protocols or {}, room or MicroBatch()
    groups: dict[tuple[object, ...], list[CellTask]] = defaultdict(list)
    for cell in cells:
        try:
            task = CellTask(cell, named.get(cell.protocol), effort)
        except UserError as problem:
            yield cell, problem
        else:
            alike = cell if cell.definition.case == "worst" else noise_key(cell)
            groups[(cell.data, cell.m, alike)].append(task)
    with evaluation_mode(model):
        try:
            points = ObjectiveCache(Network(model), data, loss)
        except UserError as problem:
            yield from ((task.cell, problem) for group in groups.values() for task in group)
            return
        for tasks in groups.values():
            compute = partial(_group, points, tasks, seed, effort.antithetic)
            try:
                values, examples = room.run_with_oom_retry(compute, points.most(tasks[0].cell))
            except OutOfMemory:
                raise
            except UserError as problem:
                yield from ((task.cell, problem) for task in tasks)
                continue
            for task, per_batch in zip(tasks, values, strict=True):
                yield task.cell, _combined(per_batch, examples)


def _group(
    points: ObjectiveCache,
    tasks: list[CellTask],
    seed: int,
    antithetic: bool,
    micro_batch: int | None,
) -> tuple[Sequence[Sequence[Tensor]], list[int]]:
    """Return the values of each task in each batch, and the number of examples of each batch."""
    objectives = points.objectives(tasks[0].cell, micro_batch)
    values = values_of(objectives, tasks, seed, antithetic)
    return values, [objective.examples for objective in objectives]


def _combined(per_batch: Sequence[Tensor], examples: Sequence[int]) -> Estimate | UserError:
    try:
        return combine_batches(per_batch, examples)
    except UserError as problem:
        return problem


def _raise_problem(result: Estimate | UserError) -> Estimate:
    if isinstance(result, UserError):
        raise result
    return result
