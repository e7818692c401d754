"""Cells and measures of a plan on one model, each with its result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sharpness.data.batches import Batch, Examples
from sharpness.evaluation.datasets import augmented, resident
from sharpness.evaluation.plan import Plan
from sharpness.io.errors import UserError
from sharpness.measures.cell_values import Effort, ObjectiveCache
from sharpness.measures.definition import PROTOCOLS, Cell, Data, Estimate, Protocol
from sharpness.measures.measurement import Measurement
from sharpness.measures.measuring import measure_all
from sharpness.measures.micro_batch import MicroBatch
from sharpness.measures.network import Network
from sharpness.measures.sharpness import measure_cells


def protocols_of(plan: Plan) -> dict[str, Protocol]:
    """Return the protocols with the plan's numbers of steps and samples."""
    return {
        name: replace(knob, steps=plan.steps, samples=plan.samples.get(name, knob.samples))
        for name, knob in PROTOCOLS.items()
    }


def not_finite(model: nn.Module) -> str:
    """Return what is not finite in the first tensor that is not; empty if all are finite."""
    for name, tensor in model.state_dict().items():
        if bad := tensor.numel() - int(tensor.isfinite().sum()):
            return f"{bad} of the {tensor.numel()} numbers of tensor {name} are not finite"
    return ""


def measure_plan(
    model: nn.Module,
    plan: Plan,
    points: Examples,
    wanted: Sequence[Cell | Measurement],
    room: MicroBatch,
    initial: Mapping[str, Tensor] | None = None,
) -> Iterator[tuple[Cell | Measurement, Estimate | UserError]]:
    """Yield some cells and measures of a plan with their results, measured on ``points``.

    ``initial`` are the weights from which training started, by name of the parameter.
    """
    device, m = next(model.parameters()).device, plan.m
    data: dict[Data, list[Batch]] = {"original": resident(points, m, device)}
    if any(isinstance(each, Cell) and each.data == "augmented" for each in wanted):
        views = augmented(points, plan.seed, plan.augment_operations)
        data["augmented"] = resident(views, m, device)
    try:
        network = Network(model, plan.parameters, plan.compile)
    except UserError as problem:
        yield from ((each, problem) for each in wanted)
        return
    shared = ObjectiveCache(network, data, cross_entropy, plan.parameters)
    yield from measure_on(shared, plan, wanted, room, initial)


def measure_on(
    shared: ObjectiveCache,
    plan: Plan,
    wanted: Sequence[Cell | Measurement],
    room: MicroBatch,
    initial: Mapping[str, Tensor] | None = None,
) -> Iterator[tuple[Cell | Measurement, Estimate | UserError]]:
    """Yield some cells and measures with their results, ``shared`` with model and batches."""
    cells = [each for each in wanted if isinstance(each, Cell)]
    others = [each for each in wanted if isinstance(each, Measurement)]
    effort = Effort(precision=plan.precision)  # steps and samples are the protocols'
    model, protocols = shared.network().model, protocols_of(plan)
    yield from measure_cells(
        model, {}, cells, plan.seed, cross_entropy, effort, protocols, room, points=shared
    )
    effort = Effort(plan.steps, plan.samples.get("paper"))
    yield from measure_all(shared, others, plan.seed, initial, room, effort)
