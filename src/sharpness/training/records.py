"""One model of a sweep: its task, its training record, and the export to files. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from sharpness.io.errors import REMAKE, UserError
from sharpness.io.files import atomic, digest, read_json, write_csv, write_json
from sharpness.io.validation import checked
from sharpness.training.hyperparameters import REVISION as TRAINING_REVISION
from sharpness.training.hyperparameters import Hyperparameters, Training

if TYPE_CHECKING:
    from torch import Tensor

    from sharpness.data.images import Images

REVISION = 1
"""Increase it with any change to the exported files; all checkpoints and records are rewritten."""

KEY = "sharpness"
"""The only metadata key; its value is JSON, because safetensors stores keys in random order."""


def metadata_of(value: Mapping[str, Any]) -> dict[str, str]:
    """Return the metadata of a safetensors file that holds ``value``, anything JSON can hold."""
    return {KEY: json.dumps(value, sort_keys=True, ensure_ascii=False)}


Value = TypeVar("Value")

WEIGHTS = "weights/"
MOMENTUM = "momentum/"
"""Prefixes of the tensors in the state of a training."""


def under(prefix: str, tensors: Mapping[str, Value]) -> dict[str, Value]:
    """Return the tensors whose names have the prefix, without it."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


@dataclass(frozen=True)
class Task:
    """All that determines the training of one model, apart from the data.

    ``index`` is the model's number in its pool; ``seed`` and ``settings`` are the pool's.
    ``architecture`` is as ``sharpness.networks.build`` takes it.
    """

    seed: int
    index: int
    architecture: Mapping[str, Any]
    hyperparameters: Hyperparameters
    settings: Training

    @property
    def classes(self) -> int:
        """Return the number of logits."""
        return int(self.architecture["classes"])

    def digest(self, data: Images) -> str:
        """Return a digest of all that determines the result: task, data set and revision."""
        inputs = {"digest": data.digest(), "mean": data.mean, "std": data.std, "flip": data.flip}
        return digest({**self.described(), "data": inputs, "revision": TRAINING_REVISION})

    def described(self) -> dict[str, Any]:
        """Return the task as JSON can hold it."""
        return {**asdict(self), "settings": self.settings.model_dump()}


@dataclass(frozen=True)
class Trained:
    """A trained model: its state dict on the CPU, and the training record as JSON can hold it.

    The record holds ``status`` ("ok" or "diverged") and ``reason``; ``train_error`` (a fraction)
    and ``train_loss`` of the final weights on the training set without augmentation; ``epochs``
    begun; ``seed``, ``index``, ``hyperparameters``, ``settings``, ``architecture``, ``data``,
    ``digest``; ``curve``, one row per epoch: its number from 1, the mean ``loss`` and ``error`` of
    the rows it trained on (an error is a miss of the larger part of a mixture) and the
    ``learning_rate`` of its last step. A number that is not finite is None.
    """

    weights: dict[str, Tensor]
    record: dict[str, Any]


class _Record(BaseModel, strict=True):
    status: str
    reason: str
    train_error: float
    seed: int
    index: int
    architecture: dict[str, Any]


class _Whole(_Record):
    digest: str
    hyperparameters: dict[str, Any]
    curve: list[dict[str, Any]]


def read_training(path: str | Path) -> dict[str, Any]:
    """Read the record of one training, as ``export`` writes it; raise UserError if invalid."""
    record: dict[str, Any] = read_json(path)
    checked(_Record, record, str(path), REMAKE)
    return record


def read_trainings(path: str | Path) -> dict[str, dict[str, Any]]:
    """Read the records of the trainings of one job, by model; raise UserError if one is invalid."""
    records: dict[str, dict[str, Any]] = read_json(path)
    if not isinstance(records, dict):
        raise UserError(f"{path}: holds no records by model; {REMAKE}")
    for model, record in records.items():
        checked(_Whole, record, f"{path}: {model}", REMAKE)
    return records


CURVE = ["epoch", "loss", "error", "learning_rate"]


def export(record: Mapping[str, Any], state: Path, weights: str, training: str, curve: str) -> None:
    """Write a finished training's checkpoint, its record without the curve, and its curve.

    ``state`` is the model's state folder; ``weights`` (``….safetensors``), ``training``
    (``….json``) and ``curve`` (``….csv``) are the paths to write.

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
        save_file(under(WEIGHTS, tensors), temporary, metadata=metadata_of(metadata))
    write_json(training, {key: value for key, value in record.items() if key != "curve"})
    write_csv(curve, record["curve"], CURVE)
