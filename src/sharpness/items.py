"""What is computed of one model, item by item, so that nothing is computed twice.

An item is one row: an error on one data set, or one cell. It lies in the model's state folder, in
a file named by a digest of all that determines it. How many examples are computed at a time is not
among that.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

import torch
from torch import nn

from sharpness.batches import Batch
from sharpness.data.examples import Examples
from sharpness.definition import PROTOCOLS, Cell, Data, Estimate
from sharpness.errors import ROWS, error_and_loss
from sharpness.files import digest, finite, sha256, write_json
from sharpness.measure import measured
from sharpness.plan import REVISION, Plan, Row
from sharpness.problem import Problem
from sharpness.room import Room
from sharpness.sets import augmented, first_points, resident


@dataclass(frozen=True)
class Subject:
    """One model to evaluate.

    Attributes:
        name: of the model.
        model: in evaluation mode, on its device.
        checkpoint: the file it came from.
        state: folder of its finished items.
    """

    name: str
    model: nn.Module
    checkpoint: Path
    state: Path

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device


class Items:
    """The items of one model.

    Attributes:
        origin: the checkpoint's digest.
    """

    def __init__(self, subject: Subject, room: Room | None = None) -> None:
        """Compute nothing yet.

        Args:
            subject: the model.
            room: most examples in one pass through the model.
        """
        self.origin = sha256(subject.checkpoint)[:16]
        self._subject, self._room = subject, room or Room()
        self._room.whose = subject.name
        self._common = {"checkpoint": self.origin, "revision": REVISION}

    def published(self, part: str, data: str, error: float) -> str:
        """The item of an error that is taken as it stands, of the data set with this title."""
        row = {"part": part, "data": data, "error": error, "source": "published", **self._common}
        path = self._subject.state / f"error-{digest(row)}.json"
        if not path.exists():
            write_json(path, row)
        return path.name

    def error(self, part: str, examples: Examples, number: str) -> str:
        """The item of an error; ``number`` says which of how many it is."""
        key = {"part": part, "data": examples.digest(), **self._common}
        path = self._subject.state / f"error-{digest(key)}.json"
        if not path.exists():
            start = monotonic()
            error, loss = self._room.fitting(
                lambda rows: error_and_loss(self._subject.model, examples, rows or ROWS),
                min(ROWS, len(examples)),
            )
            row = {"part": part, "data": examples.title, "examples": len(examples), "error": error}
            write_json(path, row | {"loss": finite(loss), **self._common})
            found = f"{100 * error:.2f} % of {len(examples)} on {examples.title}"
            self._say(f"error {number}: {found}", start)
        return path.name

    def cells(self, plan: Plan, train: Examples) -> list[str]:
        """The items of all cells, in the plan's order, on the first points of ``train``."""
        points = first_points(train, plan.points)
        dtype = str(next(self._subject.model.parameters()).dtype).removeprefix("torch.")
        common = {**self._common, "dtype": dtype, "points_digest": points.digest()}
        common["device"] = self._subject.device.type  # which draws the noise
        rows = {cell: {**plan.describe(cell), **common} for cell in plan.cells}
        files = {cell: self._subject.state / f"cell-{digest(rows[cell])}.json" for cell in rows}
        absent = [cell for cell in files if not files[cell].exists()]
        done, start = len(files) - len(absent), monotonic()
        for cell, result in self._measured(plan, points, absent):
            write_json(files[cell], rows[cell] | _value(result))
            done += 1
            found = result if isinstance(result, Problem) else f"{result.value:.4g}"
            self._say(f"cell {done} of {len(files)}: {cell.id}: {found}", start)
            start = monotonic()
        return [file.name for file in files.values()]

    def _measured(
        self, plan: Plan, points: Examples, cells: Sequence[Cell]
    ) -> Iterator[tuple[Cell, Estimate | Problem]]:
        """Each cell with what it gave; without cells no point is looked at."""
        if not cells:
            return
        device, m = self._subject.device, plan.m
        data: dict[Data, list[Batch]] = {"original": resident(points, m, device)}
        if any(cell.data == "augmented" for cell in cells):
            data["augmented"] = resident(
                augmented(points, plan.seed, plan.augment_operations), m, device
            )
        knobs = {
            name: replace(knob, steps=plan.steps, samples=plan.samples.get(name, knob.samples))
            for name, knob in PROTOCOLS.items()
        }
        model, room = self._subject.model, self._room
        yield from measured(model, data, cells, plan.seed, protocols=knobs, room=room)

    def _say(self, what: str, start: float) -> None:
        """A line of progress for the job's log."""
        print(f"{self._subject.name}: {what} ({monotonic() - start:.1f} s)", file=sys.stderr)


def _value(result: Estimate | Problem) -> Row:
    if isinstance(result, Problem):
        nothing: Row = {"value": None, "stderr": None, "per_batch": [], "examples": []}
        return {**nothing, "status": "failed", "reason": str(result)}
    return {
        "value": result.value,
        "stderr": finite(result.stderr),
        "per_batch": list(result.per_batch),
        "examples": list(result.examples),
        "status": "ok",
        "reason": "",
    }
