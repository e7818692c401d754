"""Sharpness of a model: one definition, or many cells that share their work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sharpness.data.batches import Batch, batch_list
from sharpness.io.errors import UserError
from sharpness.measures.arguments import check_count, check_kind
from sharpness.measures.average import combine_batches
from sharpness.measures.cell_values import (
    AS_THE_PROTOCOL,
    CellTask,
    Effort,
    ObjectiveCache,
    Values,
    View,
    noise_key,
    values_of,
)
from sharpness.measures.definition import Cell, Data, Definition, Estimate, Precision, Protocol
from sharpness.measures.micro_batch import MicroBatch, OutOfMemory
from sharpness.measures.network import Network
from sharpness.measures.objective import Loss
from sharpness.measures.parameters import Parameters


def sharpness(
    model: nn.Module,
    batches: Iterable[Batch],
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
    parameters: Parameters = "all",
    precision: Precision = "float32",
) -> Estimate:
    """Measure the m-sharpness of a model (Eq. 1), where m is the size of the batches.

    Args:
        model: any module with floating-point parameters and deterministic outputs; it is measured
            in evaluation mode and left as it was. Its output is its logits, or has them as
            ``logits`` or as its only tensor.
        batches: (inputs, targets), or mappings that hold their ``labels``; read once. Inputs are a
            tensor, a mapping of keyword arguments, or a tuple of arguments.
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
        parameters: the weights to perturb: "all" (frozen ones too), "trainable", a regular
            expression that is searched for in their names, or a predicate on names.
        precision: "mixed" takes the matrix products of the gradients of Auto-PGD in bfloat16. The
            losses, and so average-case sharpness, are computed in float32 all the same.

    Returns:
        The estimate: mean over batches, weighted by examples, with its standard error.

    Raises:
        UserError: for a radius ≤ 0, no batches, a loss that is not finite, and a model or loss for
            which the value would not be what Eq. 1 says (see ``checks`` and ``network``).
    """
    knobs = Protocol.named(protocol)
    cell = Cell(definition, radius, knobs.name)
    effort = Effort(steps, samples, antithetic, precision)
    protocols, room = {knobs.name: knobs}, MicroBatch(micro_batch)
    with torch.inference_mode(False):
        data: dict[Data, Sequence[Batch]] = {"original": batch_list(batches)}
        ((_, result),) = measure_cells(
            model, data, [cell], seed, loss, effort, protocols, room, parameters
        )
    return _raise_problem(result)


def sharpness_by_layer(
    model: nn.Module,
    batches: Iterable[Batch],
    definition: Definition,
    radius: float,
    **options: Any,
) -> dict[str, Estimate]:
    """Measure the sharpness of each layer: only its own weights are perturbed.

    A layer is a module that holds parameters itself; keys are the names of modules, in the model's
    order, "" for the model's own. The arguments are those of ``sharpness`` without ``parameters``.
    """
    check_kind("the model", model, nn.Module, "a torch.nn.Module")
    kept = batch_list(batches)
    layers = dict.fromkeys(name.rpartition(".")[0] for name, _ in model.named_parameters())

    def owned(layer: str) -> Callable[[str], bool]:
        return lambda name: name.rpartition(".")[0] == layer

    return {
        layer: sharpness(model, kept, definition, radius, parameters=owned(layer), **options)
        for layer in layers
    }


def sharpness_table(
    model: nn.Module,
    batches: Iterable[Batch],
    cells: Iterable[Cell],
    *,
    augmented: Iterable[Batch] = (),
    seed: int = 0,
    loss: Loss = cross_entropy,
    effort: Effort = AS_THE_PROTOCOL,
    micro_batch: int | None = None,
    parameters: Parameters = "all",
) -> dict[Cell, Estimate]:
    """Measure many cells of one model, sharing work between them; return them in the given order.

    Each value is the one that ``sharpness`` returns for the cell alone, and parameters that are not
    described here are as there. A cell's ``m`` divides ``batches`` anew; ``augmented`` holds the
    same points augmented, for cells whose data is "augmented". ``effort`` gives the steps and
    samples of cells that do not set them.

    Raises:
        UserError: as in ``sharpness``, for the first cell that has no value.
    """
    check_kind("cells", cells, Iterable, "a list of Cells")
    cells, room = list(cells), MicroBatch(micro_batch)
    with torch.inference_mode(False):
        data: dict[Data, Sequence[Batch]] = {
            "original": batch_list(batches),
            "augmented": batch_list(augmented),
        }
        results = measure_cells(
            model, data, cells, seed, loss, effort, room=room, parameters=parameters
        )
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
    parameters: Parameters = "all",
    points: ObjectiveCache | None = None,
) -> Generator[tuple[Cell, Estimate | UserError], None, None]:
    """Yield each cell with its estimate, or with the error why it has none, once it is known.

    The cells come in an order that shares forward passes. ``data`` holds the batches of each kind
    of data; ``effort`` is as in ``sharpness_table``; ``protocols`` replaces presets by name.
    ``room`` limits the examples in one pass, here and in later calls: when memory runs out, it is
    halved and the cells at hand start anew. Values depend on it by rounding alone. ``points``, of
    the same model, data, loss and parameters, keeps what several calls share, such as the checks.

    Raises:
        OutOfMemory: if memory is too small for one example.
    """
    named, room = protocols or {}, room or MicroBatch()
    groups: dict[tuple[object, ...], list[CellTask]] = defaultdict(list)
    for cell in cells:
        try:
            task = CellTask(cell, named, effort)
        except UserError as problem:
            yield cell, problem
        else:
            alike = cell if cell.definition.case == "worst" else noise_key(cell)
            groups[(cell.data, cell.m, alike)].append(task)
    try:
        check_count("seed", seed, least=0)
        points = points or ObjectiveCache(Network(model, parameters), data, loss, parameters)
    except UserError as problem:
        yield from ((task.cell, problem) for group in groups.values() for task in group)
        return
    for tasks in groups.values():
        compute = partial(_group, points, tasks, seed, effort.antithetic)
        try:
            values, examples = room.run_with_oom_retry(compute, points.most(View.of(tasks[0].cell)))
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
) -> tuple[Values, list[int]]:
    """Return the values of each task in each batch, and the number of examples of each batch."""
    cell = tasks[0].cell
    before = points.network(cell.definition.gauge).random.read()
    objectives = points.objectives(View.of(cell), micro_batch)
    points.check(objectives, gradient=cell.definition.case == "worst")
    c = partial(points.scaling, cell.definition.adaptive, cell.definition.gauge)
    values = values_of(objectives, c, tasks, seed, antithetic)
    if points.drew(before, objectives):
        values = values_of(objectives, c, tasks, seed, antithetic)
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
