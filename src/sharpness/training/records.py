"""Records of trainings, as other jobs read them. Needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from sharpness.files import read_json
from sharpness.problem import Problem
from sharpness.validation import checked

_MEND = "remove it and run again"


class _Record(BaseModel, strict=True):
    status: str
    reason: str
    train_error: float


class _Whole(_Record):
    digest: str
    architecture: dict[str, Any]
    hyperparameters: dict[str, Any]
    curve: list[dict[str, Any]]


def read_training(path: str | Path) -> dict[str, Any]:
    """The record of one training, as ``training.export.export`` writes it.

    Raises:
        Problem: naming the file, if it is cut off or was edited into something else.
    """
    record: dict[str, Any] = read_json(path)
    checked(_Record, record, str(path), _MEND)
    return record


def read_trainings(path: str | Path) -> dict[str, dict[str, Any]]:
    """The records of the trainings of one job, by model.

    Raises:
        Problem: naming the file, if it is cut off or was edited into something else.
    """
    records: dict[str, dict[str, Any]] = read_json(path)
    if not isinstance(records, dict):
        raise Problem(f"{path}: holds no records by model; {_MEND}")
    for model, record in records.items():
        checked(_Whole, record, f"{path}: {model}", _MEND)
    return records
