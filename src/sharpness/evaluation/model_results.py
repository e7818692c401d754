"""One model's errors, cells and batches as CSV, made from its result files. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sharpness.io.errors import UserError
from sharpness.io.files import read_json, write_csv

ERRORS = [
    "part",
    "data",
    "error",
    "loss",
    "examples",
    "source",
    "status",
    "reason",
    "checkpoint",
    "revision",
]

CELLS = [
    "cell",
    "case",
    "norm",
    "adaptive",
    "logit_norm",
    "radius",
    "protocol",
    "data",
    "points",
    "m",
    "steps",
    "samples",
    "value",
    "stderr",
    "status",
    "reason",
    "seed",
    "dtype",
    "device",
    "points_digest",
    "checkpoint",
    "revision",
]

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
    mend = f"remove it and run again: rm {evaluated}"
    items = [_item(state, name, mend) for name in found["errors"]]
    rows = [{"source": "evaluated", **item, **done} for item in items]
    if why := _failed(found):
        rows = [{"part": part, **why} for part in found["parts"]]
    rows += [{"part": p, "status": "missing", "reason": why} for p, why in found["missing"].items()]
    write_csv(errors, rows, ERRORS)
    if why := _failed(found) or _unmeasured(found):
        write_csv(sharpness, [{**row, **why} for row in wanted], CELLS)
        write_csv(per_batch, [], BATCHES)
        return
    measured = [_item(state, name, mend) for name in found["cells"]]
    settings = [{key: row.get(key) for key in wanted[0]} for row in measured]
    if settings != [dict(row) for row in wanted]:
        raise UserError(f"{evaluated}: its cells are not those that are wanted; {mend}")
    write_csv(sharpness, [{key: row.get(key) for key in CELLS} for row in measured], CELLS)
    write_csv(per_batch, [batch for row in measured for batch in _batches(row)], BATCHES)


def _batches(cell: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each batch of a cell; none for a failed cell."""
    found = zip(cell["examples"], cell["per_batch"], strict=True)
    return [
        {"cell": cell["cell"], "batch": number, "examples": examples, "value": value}
        for number, (examples, value) in enumerate(found)
    ]


def _failed(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that mark a model without any result as failed; empty for others."""
    if not found.get("failed"):
        return {}
    return {"status": "failed", "reason": found["failed"], "checkpoint": found["checkpoint"]}


def _unmeasured(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that say why a model was not measured; empty if it was."""
    lacking = found["missing"].get("train", "")
    if not found["skipped"] and not lacking:
        return {}
    status = "skipped" if found["skipped"] else "missing"
    reason = found["skipped"] or lacking
    return {"status": status, "reason": reason, "checkpoint": found["checkpoint"]}


def _item(state: Path, name: str, mend: str) -> dict[str, Any]:
    path = state / name
    try:
        item: dict[str, Any] = read_json(path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: a finished item is gone that a file names; {mend}") from error
    return item
