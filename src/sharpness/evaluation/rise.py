"""Rise of the loss of a pool's first models, by which radii are found (`radii`)."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from sharpness.data.batches import Batch, Examples
from sharpness.evaluation.datasets import Datasets, first_points, resident
from sharpness.evaluation.measuring import measure_on, not_finite
from sharpness.evaluation.plan import Plan
from sharpness.evaluation.radii import (
    LEVELS,
    MODELS,
    REVISION,
    Rise,
    Sought,
    find_radii,
    probe_points,
    sought,
    without_radii,
)
from sharpness.io.errors import UserError
from sharpness.io.files import write_json
from sharpness.measures.cell_values import ObjectiveCache
from sharpness.measures.definition import Cell, Data, Definition
from sharpness.measures.measurement import Measurement
from sharpness.measures.micro_batch import MicroBatch
from sharpness.measures.network import Network
from sharpness.training.checkpoint import load_model


def probe(points: Examples, plan: Plan, device: torch.device) -> list[Batch]:
    """Return the batches of the points on which radii are searched."""
    return resident(points.subset(slice(0, probe_points(plan.points, plan.m))), plan.m, device)


def is_whole(name: str, model: nn.Module) -> bool:
    """Return whether all numbers of a model are finite; if not, say that it is left out."""
    if why := not_finite(model):
        print(f"{name} is left out of the search for radii: {why}", file=sys.stderr)
    return not why


def rise_over(
    subjects: Sequence[tuple[nn.Module, Sequence[Batch]]],
    plan: Plan,
    protocol: str,
    room: MicroBatch,
) -> Rise:
    """Return the median rise of the loss over some models, each with its batches.

    The noise is that of the plan's seed, the same at every radius and for every model.
    """
    shared = dict[int, ObjectiveCache]()

    def rise(what: Sought, radius: float) -> float:
        wanted: Cell | Measurement
        if isinstance(what, Definition):
            wanted = Cell(what, radius, protocol)
        else:
            wanted = replace(what, radius=radius)
        values = []
        for place, (model, batches) in enumerate(subjects):
            if place not in shared:  # so that the model is checked once
                data: dict[Data, Sequence[Batch]] = {"original": batches}
                network = Network(model, plan.parameters)
                shared[place] = ObjectiveCache(network, data, cross_entropy, plan.parameters)
            ((_, result),) = measure_on(shared[place], plan, [wanted], room)
            if isinstance(result, UserError):
                raise result
            values.append(result.value)
        return median(values)

    return rise


def radii_of_known(
    checkpoints: Mapping[str, str | Path],
    records: Sequence[Mapping[str, Any]] | None,
    plan: Plan,
    words: Sequence[str],
    protocol: str,
    sets: Datasets,
    device: torch.device,
    micro_batch: int | None = None,
) -> tuple[dict[str, Any], list[str]]:
    """Find radii for models of the workflow, on the first that have sharpness.

    A model with numbers that are not finite is left out; it has no results.

    Args:
        checkpoints: file of each model, in the pool's order.
        records: of their trainings, in the same order; None if they were trained elsewhere.
        plan: how they are measured.
        words: ids of what radii are found for.
        protocol: of the cells.
        sets: the data, with part "train".
        device: where to compute.
        micro_batch: as in `evaluate.evaluate_models`.

    Returns:
        What `find_radii` returns, and the names of the models. Without data or models no radius is
        found, as then nothing is measured.
    """
    trained = [None] * len(checkpoints) if records is None else records
    pairs = zip(checkpoints.items(), trained, strict=True)
    chosen = dict([item for item, record in pairs if not plan.skipped(record)][:MODELS])
    models = {name: load_model(path, device) for name, path in chosen.items()}
    models = {name: model for name, model in models.items() if is_whole(name, model)}
    if why := sets.missing.get("train") or ("" if models else "no model is measured"):
        print(f"no radii are sought: {why}", file=sys.stderr)
        return without_radii(sought(words), why), []
    batches = probe(first_points(sets["train"], plan.points), plan, device)
    subjects = [(model, batches) for model in models.values()]
    rise = rise_over(subjects, plan, protocol, MicroBatch(micro_batch))
    return find_radii(rise, sought(words)), list(models)


def write_radii(
    path: str | Path,
    found: Mapping[str, Any],
    models: Sequence[str],
    plan: Plan,
    protocol: str,
) -> None:
    """Write what `find_radii` returned, and how it was found."""
    about = {"levels": LEVELS, "models": models, "protocol": protocol, "seed": plan.seed}
    points = {"points": probe_points(plan.points, plan.m), "points_of": plan.points}
    write_json(path, {"definitions": found, **about, **points, "revision": REVISION})
