"""A finished training as the files that the rest of the workflow reads. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from sharpness.files import atomic, write_csv, write_json
from sharpness.problem import Problem
from sharpness.training.layout import KEY, WEIGHTS

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
        Problem: if the finished state is gone or cut off.
    """
    finished = state / f"{record['digest']}.safetensors"
    try:
        tensors = load_file(finished)
    except (OSError, SafetensorError) as error:
        raise Problem(f"{finished}: the finished training is gone; train again") from error
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
