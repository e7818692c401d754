"""Evaluation of the models of one job: error rates and cells, skipping finished ones."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from sharpness.data.batches import Examples
from sharpness.evaluation.datasets import Datasets, EvalDatasets, first_points
from sharpness.evaluation.initial import InitialWeights
from sharpness.evaluation.measuring import measure_plan, not_finite
from sharpness.evaluation.plan import REVISION, Plan, Row
from sharpness.io.errors import UserError
from sharpness.io.files import digest, finite_or_none, read_json, sha256, write_json
from sharpness.measures.blocks import NotApplicable
from sharpness.measures.definition import Cell, Estimate
from sharpness.measures.error_rates import ROWS, error_and_loss
from sharpness.measures.measurement import Measurement
from sharpness.measures.micro_batch import MicroBatch
from sharpness.training.checkpoint import load_model


@dataclass(frozen=True)
class EvaluatedModel:
    """One model to evaluate, in evaluation mode on its device.

    ``checkpoint`` is the file from which it was loaded, ``state`` the folder of its result files,
    and ``initial`` the weights from which its training started, where they are known.
    """

    name: str
    model: nn.Module
    checkpoint: Path
    state: Path
    initial: InitialWeights | None = None

    @property
    def device(self) -> torch.device:
        """Return the device of the model."""
        return next(self.model.parameters()).device


class ResultCache:
    """Finished error rates and cells of one model, one JSON file each.

    File names contain a digest of all that determines the result; ``origin`` is the checkpoint's.
    """

    def __init__(self, subject: EvaluatedModel, room: MicroBatch | None = None) -> None:
        """Digest the checkpoint; ``room`` limits the examples per pass through the model."""
        self.origin = sha256(subject.checkpoint)[:16]
        self._subject, self._room = subject, room or MicroBatch()
        self._room.whose = subject.name
        self._common = {"checkpoint": self.origin, "revision": REVISION}

    def published(self, part: str, data: str, error: float) -> str:
        """Store a published error rate on the data set titled ``data``; return the file name."""
        row = {"part": part, "data": data, "error": error, "source": "published", **self._common}
        path = self._subject.state / f"error-{digest(row)}.json"
        if not path.exists():
            write_json(path, row)
        return path.name

    def error(self, part: str, examples: Examples, number: str) -> str:
        """Return the file name of an error rate, computed unless stored; log it as ``number``."""
        key = {"part": part, "data": examples.digest(), **self._common}
        path = self._subject.state / f"error-{digest(key)}.json"
        if not path.exists():
            start = monotonic()
            error, loss = self._room.run_with_oom_retry(
                lambda rows: error_and_loss(self._subject.model, examples, rows or ROWS),
                min(ROWS, len(examples)),
            )
            row = {"part": part, "data": examples.title, "examples": len(examples), "error": error}
            write_json(path, row | {"loss": finite_or_none(loss), **self._common})
            found = f"{100 * error:.2f} % of {len(examples)} on {examples.title}"
            self._say(f"error {number}: {found}", start)
        return path.name

    def cells(self, plan: Plan, train: Examples) -> list[str]:
        """Return the file names of all cells, in the plan's order, computing those not stored.

        Sharpness is measured on the first points of ``train``.
        """
        points = first_points(train, plan.points)
        dtype = str(next(self._subject.model.parameters()).dtype).removeprefix("torch.")
        common = {**self._common, "dtype": dtype, "points_digest": points.digest()}
        common["device"] = self._subject.device.type  # determines the noise
        del common["revision"]  # which each row has its own
        rows = {cell: {**common, **plan.describe(cell)} for cell in plan.wanted}
        if (initial := self._subject.initial) is not None:
            for measurement in plan.measures:
                if measurement.needs_initial:
                    rows[measurement]["initial_digest"] = initial.digest
        files = {cell: self._subject.state / f"cell-{digest(rows[cell])}.json" for cell in rows}
        absent = [cell for cell in files if not files[cell].exists()]
        done, start = len(files) - len(absent), monotonic()
        for cell, result in self._measured(plan, points, absent):
            write_json(files[cell], rows[cell] | cell_row(result))
            done += 1
            found = result if isinstance(result, UserError) else f"{result.value:.4g}"
            self._say(f"cell {done} of {len(files)}: {cell.id}: {found}", start)
            start = monotonic()
        return [file.name for file in files.values()]

    def _measured(
        self, plan: Plan, points: Examples, cells: Sequence[Cell | Measurement]
    ) -> Iterator[tuple[Cell | Measurement, Estimate | UserError]]:
        """Yield each cell with its result; without cells, no points are loaded."""
        if cells:
            model, initial = self._subject.model, self._subject.initial
            needed = any(isinstance(each, Measurement) and each.needs_initial for each in cells)
            # Read before anything is measured: a damaged file must not look like a failed measure.
            weights = initial.weights if initial and needed else None
            yield from measure_plan(model, plan, points, cells, self._room, weights)

    def _say(self, what: str, start: float) -> None:
        print(f"{self._subject.name}: {what} ({monotonic() - start:.1f} s)", file=sys.stderr)


def cell_row(result: Estimate | UserError) -> Row:
    """Return what a result adds to the row of its cell."""
    if isinstance(result, UserError):
        nothing: Row = {"value": None, "stderr": None, "per_batch": [], "examples": []}
        status = "not applicable" if isinstance(result, NotApplicable) else "failed"
        return {**nothing, "status": status, "reason": str(result)}
    return {
        "value": result.value,
        "stderr": finite_or_none(result.stderr),
        "per_batch": list(result.per_batch),
        "examples": list(result.examples),
        "status": "ok",
        "reason": "",
    }


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
    initial: str | Path | None = None,
) -> dict[str, Row]:
    """Evaluate the models of one job, skipping finished results.

    Args:
        checkpoints: file of each model.
        records: of their trainings, in the same order; None if they were trained elsewhere.
        plan: what to measure.
        data: the record of each data set, by part, including "train". Without training data no
            cell is measured.
        state: folder in which each model has its own state folder.
        device: where to compute.
        inputs: how examples become tensors, as in ``load_dataset``; None if the data sets need
            none. For text it contains a ``vocabulary``, a record.
        published: error rates by model and part that are not computed; that of "train" always is,
            because it is the error on exactly these training points.
        micro_batch: as in ``sharpness``, for errors too; once halved, it stays so for later models.
        classes: number of the models' logits; None leaves it unchecked.
        initial: checkpoint from which all models were trained; one with a record has its own.

    Returns:
        For each model, the result of ``evaluate`` and ``missing``: the reason for each part without
        an error rate.
    """
    sets, room = EvalDatasets(data, inputs, classes), MicroBatch(micro_batch)
    base = InitialWeights.of_checkpoint(initial) if initial else None
    trained = [None] * len(checkpoints) if records is None else records
    results = {}
    for (name, path), record in zip(checkpoints.items(), trained, strict=True):
        known = {p: e for p, e in published.get(name, {}).items() if p in data and p != "train"}
        start = InitialWeights.of_training(record) if record else base
        subject = EvaluatedModel(name, load_model(path, device), Path(path), state / name, start)
        found = evaluate(subject, plan, sets, record, known, room)
        found["missing"] = {p: why for p, why in sets.missing.items() if p not in known}
        results[name] = found
        why = found["failed"] or found["skipped"] or sets.missing.get("train")
        print(f"{name}: {why or 'evaluated'}", file=sys.stderr)
    return results


def evaluate(
    subject: EvaluatedModel,
    plan: Plan,
    sets: Datasets,
    record: Mapping[str, Any] | None = None,
    published: Mapping[str, float] = _NONE,
    room: MicroBatch | None = None,
) -> Row:
    """Compute or look up all results of one model, and return the names of their files.

    Sharpness is measured on the first points of "train" in ``sets``. ``record`` is that of the
    training, ``published`` holds error rates by part that are not computed, and ``room`` limits the
    examples per pass.

    Returns:
        ``checkpoint``, its digest; ``failed``, why the model has no results, and ``parts``, on
        which its error is due; ``skipped``, why it has no cells; ``errors`` and ``cells``, file
        names in canonical order.
    """
    items = ResultCache(subject, room)
    parts = [part for part in sets.titles if part in sets or part in published]
    reason = plan.skipped(record)
    failed = "" if reason else _broken(subject)
    if failed:
        nothing: Row = {"skipped": "", "errors": [], "cells": []}
        return {"checkpoint": items.origin, "failed": failed, "parts": parts, **nothing}
    files = {
        part: items.published(part, sets.titles[part], published[part])
        if part in published
        else items.error(part, sets[part], f"{number} of {len(parts)}")
        for number, part in enumerate(parts, 1)
    }
    if record is None and "train" in sets:  # trained elsewhere: the error found here counts
        reason = plan.above_limit(read_json(subject.state / files["train"])["error"])
    measurable = not reason and "train" in sets
    cells = items.cells(plan, sets["train"]) if measurable else []
    done = {"failed": "", "parts": parts, "skipped": reason}
    errors = list(files.values())
    return {"checkpoint": items.origin, **done, "errors": errors, "cells": cells}


def _broken(subject: EvaluatedModel) -> str:
    """Return a message on numbers of the checkpoint that are not finite; empty if all are."""
    why = not_finite(subject.model)
    return why and f"{subject.checkpoint}: {why}; get the file anew, or leave the model out"
