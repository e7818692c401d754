"""Any registered measure of a model: one, or many that share the checks of the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sharpness.data.batches import Batch, batch_list
from sharpness.io.errors import UserError
from sharpness.measures.arguments import check_kind
from sharpness.measures.cell_values import AS_THE_PROTOCOL, Effort, ObjectiveCache, View
from sharpness.measures.definition import Cell, Data, Estimate
from sharpness.measures.measurement import Measurement, parse
from sharpness.measures.micro_batch import MicroBatch, OutOfMemory
from sharpness.measures.network import Network
from sharpness.measures.objective import Loss
from sharpness.measures.parameters import Parameters
from sharpness.measures.sharpness import measure_cells
from sharpness.measures.subject import Subject


def measure(
    model: nn.Module,
    batches: Iterable[Batch],
    name: str,
    *,
    seed: int = 0,
    loss: Loss = cross_entropy,
    initial: Mapping[str, Tensor] | None = None,
    micro_batch: int | None = None,
    parameters: Parameters = "all",
) -> Estimate:
    """Measure a model by the id of a measure, such as ``fisher-rao`` or ``geodesic-inv@0.1``.

    ``sharpness list measures`` and ``registry`` have the names. ``initial`` are the weights from
    which training started, by name of the parameter. Whatever else is as in ``sharpness``, whose
    cells have ids too.

    Raises:
        NotApplicable: if the measure has no meaning for this model.
        UserError: if there is no such measure, or as in ``sharpness``.
    """
    check_kind("the measure", name, str, "the id of one")
    if initial is not None:
        check_kind("initial", initial, Mapping, "tensors by name, such as a state dict")
    wanted, room = parse(name), MicroBatch(micro_batch)
    if isinstance(wanted, Measurement) and wanted.auto:
        raise UserError(f"{name}: give a radius; radii are found for models of the workflow alone")
    with torch.inference_mode(False):
        data: dict[Data, Sequence[Batch]] = {"original": batch_list(batches)}
        points = ObjectiveCache(Network(model, parameters), data, loss, parameters)
        found: Iterator[tuple[object, Estimate | UserError]]
        if isinstance(wanted, Cell):
            found = measure_cells(model, data, [wanted], seed, room=room, points=points)
        else:
            found = measure_all(points, [wanted], seed, initial, room)
        ((_, result),) = found
    if isinstance(result, UserError):
        raise result
    return result


def measure_all(
    points: ObjectiveCache,
    wanted: Iterable[Measurement],
    seed: int,
    initial: Mapping[str, Tensor] | None,
    room: MicroBatch,
    effort: Effort = AS_THE_PROTOCOL,
) -> Iterator[tuple[Measurement, Estimate | UserError]]:
    """Yield each measurement with its estimate, or with the error why it has none.

    ``points`` holds the model and its batches; ``room`` and ``effort`` are as in ``measure_cells``.

    Raises:
        OutOfMemory: if memory is too small for one example.
    """
    for measurement in wanted:

        def compute(rows: int | None, measurement: Measurement = measurement) -> Estimate:
            subject = Subject(points, seed, rows, initial, effort)
            found: Estimate = measurement.measure.function(subject, measurement)
            return found

        try:
            yield measurement, room.run_with_oom_retry(compute, points.most(View()))
        except OutOfMemory:
            raise
        except UserError as problem:
            yield measurement, problem
