"""Records of trainings, as other jobs read them. Needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sharpness.files import read_json
from sharpness.shapes import check_shape

_MEND = "remove it and run again"
_RECORD = {"status": str, "reason": str, "train_error": (int, float)}
_WHOLE = {**_RECORD, "digest": str, "architecture": dict, "hyperparameters": dict, "curve": [dict]}


def read_training(path: str | Path) -> dict[str, Any]:
    """The record of one training, as ``training.export.export`` writes it.

    Raises:
        Problem: naming the file, if it is cut off or was edited into something else.
    """
    record: dict[str, Any] = read_json(path)
    check_shape(record, _RECORD, str(path), _MEND)
    return record


def read_trainings(path: str | Path) -> dict[str, dict[str, Any]]:
    """The records of the trainings of one job, by model.

    Raises:
        Problem: naming the file, if it is cut off or was edited into something else.
    """
    records: dict[str, dict[str, Any]] = read_json(path)
    check_shape(records, dict, str(path), _MEND)
    for model, record in records.items():
        check_shape(record, _WHOLE, f"{path}: {model}", _MEND)
    return records
