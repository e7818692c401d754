"""Errors and every cell of one model, kept item by item so that nothing is computed twice.

An item is one row: an error on one data set, or one cell. It lies in the model's state folder, in
a file named by a digest of all that determines it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sharpness.batches import Batch
from sharpness.data import load
from sharpness.data.augment import augment
from sharpness.data.images import Images
from sharpness.definition import PROTOCOLS, Cell, Data, Estimate
from sharpness.errors import error_and_loss
from sharpness.files import digest, finite, sha256, write_json
from sharpness.measure import measured
from sharpness.noise import generator
from sharpness.plan import REVISION, Plan, Row
from sharpness.problem import Problem
from sharpness.training.checkpoint import load_model


@dataclass(frozen=True)
class Subject:
    """One model to evaluate.

    Attributes:
        name: of the model.
        model: in evaluation mode, on its device.
        checkpoint: the file it came from.
        state: folder of its finished items.
        record: of its training.
    """

    name: str
    model: nn.Module
    checkpoint: Path
    state: Path
    record: Mapping[str, Any]


def evaluate(subject: Subject, plan: Plan, sets: Mapping[str, Images]) -> Row:
    """Fill the state of one model with all its items.

    Args:
        subject: the model.
        plan: the cells.
        sets: images by part; sharpness is measured on the first points of "train".

    Returns:
        Which items hold the results: ``checkpoint``, ``skipped``, ``errors`` and
        ``cells`` (file names, in canonical order).
    """
    origin = sha256(subject.checkpoint)[:16]
    reason = plan.skipped(subject.record)
    return {
        "checkpoint": origin,
        "skipped": reason,
        "errors": [_error(subject, origin, part, images) for part, images in sets.items()],
        "cells": [] if reason else _cells(subject, origin, plan, sets["train"]),
    }


def _error(subject: Subject, origin: str, part: str, images: Images) -> str:
    key = {"part": part, "data": images.digest(), "checkpoint": origin, "revision": REVISION}
    path = subject.state / f"error-{digest(key)}.json"
    if not path.exists():
        error, loss = error_and_loss(subject.model, images)
        row = {"part": part, "data": images.title, "examples": len(images), "error": error}
        row |= {"loss": finite(loss), "checkpoint": origin, "revision": REVISION}
        write_json(path, row)
    return path.name


def _cells(subject: Subject, origin: str, plan: Plan, train: Images) -> list[str]:
    points = train.subset(slice(0, plan.points))
    dtype = str(next(subject.model.parameters()).dtype).removeprefix("torch.")
    common = {"checkpoint": origin, "dtype": dtype, "points_digest": points.digest()}
    files, missing = {}, []
    for cell in plan.cells:
        row = {**plan.describe(cell), **common}
        files[cell] = subject.state / f"cell-{digest(row)}.json"
        if not files[cell].exists():
            missing.append(cell)
    for cell, result in _measure(subject.model, plan, points, missing):
        row = {**plan.describe(cell), **common, **_value(result)}
        write_json(files[cell], row)
    return [files[cell].name for cell in plan.cells]


def _measure(
    model: nn.Module, plan: Plan, points: Images, cells: Sequence[Cell]
) -> Iterator[tuple[Cell, Estimate | Problem]]:
    data: dict[Data, list[Batch]] = {"original": _batches(points, plan.m)}
    if any(cell.data == "augmented" for cell in cells):
        stream = generator(points.pixels.device, plan.seed)
        views = augment(points.pixels, stream, flip=points.flip)
        data["augmented"] = _batches(points, plan.m, views)
    protocols = {
        name: replace(knobs, steps=plan.steps, samples=plan.samples.get(name, knobs.samples))
        for name, knobs in PROTOCOLS.items()
    }
    yield from measured(model, data, cells, plan.seed, protocols=protocols)


def _batches(points: Images, m: int, views: torch.Tensor | None = None) -> list[Batch]:
    inputs = points.normalized(views)
    return list(zip(inputs.split(m), points.labels.split(m), strict=True))


def _value(result: Estimate | Problem) -> Row:
    if isinstance(result, Problem):
        return {"value": None, "stderr": None, "status": "failed", "reason": str(result)}
    stderr = finite(result.stderr)
    return {"value": result.value, "stderr": stderr, "status": "ok", "reason": ""}


def evaluate_models(
    checkpoints: Mapping[str, Path],
    records: Sequence[Mapping[str, Any]],
    plan: Plan,
    data: Mapping[str, Mapping[str, Any]],
    state: Path,
    device: torch.device,
) -> dict[str, Row]:
    """Evaluate the models of one job; finished items cost nothing.

    Args:
        checkpoints: file of each model.
        records: of their trainings, in the same order.
        plan: what to measure.
        data: the record of each data set, by the part it plays; "train" must be there, other parts
            that are missing are named in the result.
        state: folder in which each model has its own state folder.
        device: where to compute.

    Returns:
        For each model, which items hold its results, as ``evaluate`` returns it, and ``missing``:
        parts without data, and why.
    """
    missing = {
        part: found["reason"] for part, found in data.items() if found["status"] != "present"
    }
    split = {part: "train" if part == "train" else "test" for part in data}
    sets = {
        part: load(found["name"], split[part], found)
        for part, found in data.items()
        if part not in missing or part == "train"
    }
    results = {}
    for (name, path), record in zip(checkpoints.items(), records, strict=True):
        model = load_model(path, device)
        subject = Subject(name, model, Path(path), state / name, record)
        results[name] = {**evaluate(subject, plan, sets), "missing": missing}
        print(f"{name}: {results[name]['skipped'] or 'evaluated'}", file=sys.stderr)
    return results
