"""Plan of the measurements on every model of a pool, and one model's results as CSV.

Needs no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from sharpness.io.errors import REMAKE, UserError
from sharpness.io.files import read_json, write_csv
from sharpness.measures.definition import IN_ORDER, PROTOCOLS, Cell, Definition, Precision
from sharpness.measures.measurement import Measurement

REVISION = 2
"""Increase it with any code change that changes an error or a sharpness; all are computed anew."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Measurements that are made on every model of a pool.

    Attributes:
        cells: in canonical order.
        points: number of training points, the first of the training set.
        m: examples per batch.
        steps: Auto-PGD iterations of cells that do not set them.
        samples: draws per batch, by protocol; the protocol's own by default.
        seed: of the noise and of the augmented views.
        max_train_error: models above it are not measured; None measures all.
        augment_operations: of RandAugment, on each augmented view.
        parameters: the weights to perturb: "all", "trainable" or a regular expression on names.
        precision: of the gradients of Auto-PGD.
        compile: passes that need no second derivative are compiled.
        measures: measured besides the cells.
        initial: the pool's model from whose weights all others were trained, where one is named.
    """

    cells: tuple[Cell, ...]
    points: int
    m: int
    steps: int
    samples: Mapping[str, int]
    seed: int
    max_train_error: float | None = None
    augment_operations: int = 2
    parameters: str = "all"
    precision: Precision = "float32"
    compile: bool = False
    measures: tuple[Measurement, ...] = ()
    initial: str = ""

    @classmethod
    def parse(
        cls, settings: Mapping[str, Any], radii: Mapping[str, Sequence[float]] | None = None
    ) -> Plan:
        """Return the plan from its JSON form, in which cells and measures are ids.

        If it has ``auto``, ids of definitions and measures whose radii were to be found, and
        ``protocols``, the found ``radii`` of each add their cells and measures.

        Raises:
            UserError: if an id is unknown, or has no entry in ``radii``.
        """
        rest = dict(settings)
        auto, protocols = rest.pop("auto", ()), rest.pop("protocols", ())
        cells = [Cell.parse(word) for word in rest.pop("cells")]
        measures = tuple(Measurement.parse(word) for word in rest.pop("measures", ()))
        plan = cls(**{**rest, "cells": tuple(cells), "measures": measures})
        found = radii or {}
        if lacking := [word for word in auto if word not in found]:
            raise UserError(f"radii.json of the pool lacks {lacking[0]}; {REMAKE}")
        return plan.with_radii({word: found[word] for word in auto}, protocols) if auto else plan

    def with_radii(self, radii: Mapping[str, Sequence[float]], protocols: Sequence[str]) -> Plan:
        """Return the plan with the cells and measures of found radii, by id of what has them."""
        sought = {measure.id for measure in self.measures if measure.auto}
        more = [
            Cell(Definition.parse(word), radius, protocol)
            for word, protocol in product(radii, protocols)
            if word not in sought
            for radius in radii[word]
        ]
        measures = [
            replace(measure, radius=radius)
            for measure in self.measures
            for radius in (radii[measure.id] if measure.auto else [measure.radius])
        ]
        cells = dict.fromkeys([*self.cells, *more])
        ordered = _in_order(cells, protocols) if more else cells
        return replace(self, cells=tuple(ordered), measures=tuple(dict.fromkeys(measures)))

    def rows(self) -> list[Row]:
        """Return the settings of every cell, then of every other measure."""
        return [self.describe(wanted) for wanted in self.wanted]

    @property
    def wanted(self) -> tuple[Cell | Measurement, ...]:
        """Return the cells, then the other measures."""
        return (*self.cells, *self.measures)

    def skipped(self, record: Mapping[str, Any] | None) -> str:
        """Return why the record of a training forbids to measure a model; empty if it does not."""
        if record is None:
            return ""
        if record["status"] != "ok":
            return str(record["reason"])
        return self.above_limit(record["train_error"])

    def above_limit(self, train_error: float) -> str:
        """Return why a model of this training error is not measured; empty if it is."""
        if self.max_train_error is None or train_error <= self.max_train_error:
            return ""
        limit = f"{100 * self.max_train_error:g} %"
        return f"training error {100 * train_error:.1f} % is above {limit}"

    def describe(self, wanted: Cell | Measurement) -> Row:
        """Return the settings of a cell or measure, all of which its value depends on."""
        if isinstance(wanted, Measurement):
            return self._describe_measure(wanted)
        cell = wanted
        worst = cell.definition.case == "worst"
        samples = self.samples.get(cell.protocol, PROTOCOLS[cell.protocol].samples)
        return {
            "cell": cell.id,
            "case": cell.definition.case,
            "norm": cell.definition.norm,
            "adaptive": cell.definition.adaptive,
            "logit_norm": cell.definition.logit_norm,
            "radius": cell.radius,
            "protocol": cell.protocol,
            "data": cell.data,
            "points": self.points,
            "m": cell.m or self.m,
            "steps": (cell.steps or self.steps) if worst else None,
            "samples": None if worst else (cell.samples or samples),
            "seed": self.seed,
            "revision": REVISION,
            **self._unusual,
            **({"precision": self.precision} if worst and self.precision != "float32" else {}),
        }

    @property
    def _unusual(self) -> Row:
        """The settings of all values that are named where they are not the default."""
        parameters = {} if self.parameters == "all" else {"parameters": self.parameters}
        return {**parameters, **({"compile": True} if self.compile else {})}

    def _describe_measure(self, measurement: Measurement) -> Row:
        """Return the settings of a measure, under the names of those of a cell."""
        effort = {"steps": self.steps, "samples": self.samples.get("paper")}
        taken = measurement.measure.effort
        none = dict.fromkeys(("case", "norm", "adaptive", "logit_norm", "protocol"))
        return {
            "cell": measurement.id,
            **none,
            "radius": measurement.radius,
            "data": "original",
            "points": self.points,
            "m": self.m,
            **{name: count if name == taken else None for name, count in effort.items()},
            "seed": self.seed,
            "revision": REVISION + measurement.measure.revision - 1,  # grows with either
            **self._unusual,
            **({"initial": self.initial} if measurement.needs_initial and self.initial else {}),
        }


def _in_order(cells: Iterable[Cell], protocols: Sequence[str]) -> list[Cell]:
    """Return the cells in canonical order: by protocol, definition and radius, ablations last."""

    def place(cell: Cell) -> tuple[bool, int, int, float]:
        special = cell != Cell(cell.definition, cell.radius, cell.protocol)
        place = protocols.index(cell.protocol), IN_ORDER.index(cell.definition), cell.radius
        return (special, *((0, 0, 0.0) if special else place))

    return sorted(cells, key=place)


ERRORS = ["part", "data", "error", "loss", "examples", "source", "status", "reason"]
ERRORS += ["checkpoint", "revision"]

CELLS = ["cell", "case", "norm", "adaptive", "logit_norm", "radius", "protocol", "data", "points"]
CELLS += ["m", "steps", "samples", "value", "stderr", "status", "reason", "seed", "dtype", "device"]
CELLS += ["points_digest", "checkpoint", "revision"]

BATCHES = ["cell", "batch", "examples", "value"]


def write_rows(
    found: Mapping[str, Any],
    state: Path,
    wanted: Sequence[Mapping[str, Any]],
    errors: str | Path,
    sharpness: str | Path,
    per_batch: str | Path,
    *,
    evaluated: str | Path,
) -> None:
    """Write ``errors/<model>.csv``, ``sharpness/<model>.csv`` and ``per_batch/<model>.csv``.

    ``found`` names the result files in the folder ``state``, as from ``evaluate_models``, and was
    read from the file ``evaluated``. ``wanted`` holds the settings of every cell
    (``Plan.describe``), in canonical order. Without training data there are no cells, and each row
    says why. The other parameters are the paths to write.

    Raises:
        UserError: if a result file is gone, or is not of the cell that is wanted.
    """
    done = {"status": "ok", "reason": ""}
    keys = list(dict.fromkeys(key for row in wanted for key in row))
    columns = list(dict.fromkeys([*CELLS, *keys]))
    mend = f"{REMAKE}: rm {evaluated}"
    items = [_item(state, name, mend) for name in found["errors"]]
    rows = [{"source": "evaluated", **item, **done} for item in items]
    why = _without_cells(found)
    if why.get("status") == "failed":
        rows = [{"part": part, **why} for part in found["parts"]]
    rows += [{"part": p, "status": "missing", "reason": why} for p, why in found["missing"].items()]
    write_csv(errors, rows, ERRORS)
    if why:
        write_csv(sharpness, [{**row, **why} for row in wanted], columns)
        write_csv(per_batch, [], BATCHES)
        return
    measured = [_item(state, name, mend) for name in found["cells"]]
    settings = [[row.get(key) for key in keys] for row in measured]
    if settings != [[row.get(key) for key in keys] for row in wanted]:
        raise UserError(f"{evaluated}: its cells are not those that are wanted; {mend}")
    columns += ["initial_digest"] * any("initial_digest" in row for row in measured)
    write_csv(sharpness, [{key: row.get(key) for key in columns} for row in measured], columns)
    write_csv(per_batch, [batch for row in measured for batch in _batches(row)], BATCHES)


def _batches(cell: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each batch of a cell; none for a failed cell."""
    found = zip(cell["examples"], cell["per_batch"], strict=True)
    return [
        {"cell": cell["cell"], "batch": number, "examples": examples, "value": value}
        for number, (examples, value) in enumerate(found)
    ]


def _without_cells(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that say why a model has no cells; empty if it has."""
    reasons = {
        "failed": found.get("failed"),
        "skipped": found["skipped"],
        "missing": found["missing"].get("train"),
    }
    for status, reason in reasons.items():
        if reason:
            return {"status": status, "reason": reason, "checkpoint": found["checkpoint"]}
    return {}


def _item(state: Path, name: str, mend: str) -> dict[str, Any]:
    path = state / name
    try:
        item: dict[str, Any] = read_json(path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: a finished item is gone that a file names; {mend}") from error
    return item
