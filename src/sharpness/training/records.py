"""A finished training as the files that other jobs read. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from sharpness.io.errors import UserError
from sharpness.io.files import atomic, read_json, write_csv, write_json
from sharpness.io.validation import checked

REVISION = 1
"""Raise it with any change to what is exported: every checkpoint and record is written anew."""

KEY = "sharpness"
"""The one metadata entry, JSON: the format stores a map of strings in random order."""

WEIGHTS = "weights/"
MOMENTUM = "momentum/"


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
        UserError: naming the file, if it is cut off or was edited into something else.
    """
    record: dict[str, Any] = read_json(path)
    checked(_Record, record, str(path), _MEND)
    return record


def read_trainings(path: str | Path) -> dict[str, dict[str, Any]]:
    """The records of the trainings of one job, by model.

    Raises:
        UserError: naming the file, if it is cut off or was edited into something else.
    """
    records: dict[str, dict[str, Any]] = read_json(path)
    if not isinstance(records, dict):
        raise UserError(f"{path}: holds no records by model; {_MEND}")
    for model, record in records.items():
        checked(_Whole, record, f"{path}: {model}", _MEND)
    return records


CURVE = ["epoch", "loss", "error", "learning_rate"]


def export(record: Mapping[str, Any], state: Path, weights: str, training: str, curve: str) -> None:
    """Write a checkpoint, its training record and its curve.

    Args:
        record: of the finished training.
        state: the model's state folder.
        weights: where the checkpoint goes, ``….safetensors``.
        training: where the record goes, ``….json``.
        curve: where the curve goes, ``….csv``.

    Raises:
        UserError: if the finished state is gone or cut off.
    """
    finished = state / f"{record['digest']}.safetensors"
    try:
        tensors = load_file(finished)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{finished}: the finished training is gone; train again") from error
    metadata = {
        "source": "trained by this workflow",
        "architecture": record["architecture"],
        "hyperparameters": record["hyperparameters"],
        "training": record["digest"],
    }
    with atomic(weights) as temporary:
        save_file(
            {k.removeprefix(WEIGHTS): v for k, v in tensors.items() if k.startswith(WEIGHTS)},
            temporary,
            metadata={KEY: json.dumps(metadata, sort_keys=True, ensure_ascii=False)},
        )
    write_json(training, {key: value for key, value in record.items() if key != "curve"})
    write_csv(curve, record["curve"], CURVE)
