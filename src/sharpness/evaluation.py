"""Errors and every cell of the models of one job; what is finished costs nothing."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from sharpness.items import Items, Subject
from sharpness.plan import Plan, Row
from sharpness.room import Room
from sharpness.sets import Sets
from sharpness.training.checkpoint import load_model

_NONE: Mapping[str, Any] = MappingProxyType({})


def evaluate_models(
    checkpoints: Mapping[str, Path],
    records: Sequence[Mapping[str, Any]] | None,
    plan: Plan,
    data: Mapping[str, Mapping[str, Any]],
    state: Path,
    device: torch.device,
    *,
    inputs: Mapping[str, Any] | None = None,
    published: Mapping[str, Mapping[str, float]] = _NONE,
    micro_batch: int | None = None,
    classes: int | None = None,
) -> dict[str, Row]:
    """Evaluate the models of one job; finished items cost nothing.

    Args:
        checkpoints: file of each model.
        records: of their trainings, in the same order; None if they were trained elsewhere.
        plan: what to measure.
        data: the record of each data set, by the part it plays; "train" must be among them. Parts
            that are missing are named in the result, and without training data no cell is
            measured.
        state: folder in which each model has its own state folder.
        device: where to compute.
        inputs: how examples become tensors, as ``data.load`` takes it; None where the data set
            leaves nothing open. Text needs its ``vocabulary``, a record, among it.
        published: for each model, errors by part that are taken as they stand; that of "train" is
            always computed, for it is of these training points.
        micro_batch: most examples in one pass through a model, for errors and cells alike; None is
            a whole batch. Results depend on it by rounding alone. It is halved, for this model and
            the following, when memory runs out.
        classes: how many logits the models have, where that is to be checked.

    Returns:
        For each model, which items hold its results, as ``evaluate`` returns it, and ``missing``:
        parts without an error, and why.
    """
    sets, room = Sets(data, inputs, classes), Room(micro_batch)
    trained = [None] * len(checkpoints) if records is None else records
    results = {}
    for (name, path), record in zip(checkpoints.items(), trained, strict=True):
        known = {p: e for p, e in published.get(name, {}).items() if p in data and p != "train"}
        subject = Subject(name, load_model(path, device), Path(path), state / name)
        found = evaluate(subject, plan, sets, record, known, room)
        found["missing"] = {p: why for p, why in sets.missing.items() if p not in known}
        results[name] = found
        why = found["failed"] or found["skipped"] or sets.missing.get("train")
        print(f"{name}: {why or 'evaluated'}", file=sys.stderr)
    return results


def evaluate(
    subject: Subject,
    plan: Plan,
    sets: Sets,
    record: Mapping[str, Any] | None = None,
    published: Mapping[str, float] = _NONE,
    room: Room | None = None,
) -> Row:
    """Fill the state of one model with all its items.

    Args:
        subject: the model.
        plan: the cells.
        sets: examples by part; sharpness is measured on the first points of "train".
        record: of the model's training.
        published: errors that are taken as they stand, by part.
        room: most examples in one pass through the model.

    Returns:
        Which items hold the results: ``checkpoint``; ``failed``, why nothing is asked of the
        model, and ``parts``, what was to be asked; ``skipped``, why it has no cells; ``errors`` and
        ``cells`` (file names, in canonical order).
    """
    items = Items(subject, room)
    parts = [part for part in sets.titles if part in sets or part in published]
    reason = plan.skipped(record)
    failed = "" if reason else _broken(subject)
    if failed:
        nothing: Row = {"skipped": "", "errors": [], "cells": []}
        return {"checkpoint": items.origin, "failed": failed, "parts": parts, **nothing}
    errors = [
        items.published(part, sets.titles[part], published[part])
        if part in published
        else items.error(part, sets[part], f"{number} of {len(parts)}")
        for number, part in enumerate(parts, 1)
    ]
    measurable = not reason and "train" in sets
    cells = items.cells(plan, sets["train"]) if measurable else []
    done = {"failed": "", "parts": parts, "skipped": reason}
    return {"checkpoint": items.origin, **done, "errors": errors, "cells": cells}


def _broken(subject: Subject) -> str:
    """Why a model can have no result: its first tensor that is not finite; empty if all are."""
    for name, tensor in subject.model.state_dict().items():
        if bad := tensor.numel() - int(tensor.isfinite().sum()):
            amount = f"{bad} of the {tensor.numel()} numbers of tensor {name} are not finite"
            return f"{subject.checkpoint}: {amount}; get the file anew, or leave the model out"
    return ""
