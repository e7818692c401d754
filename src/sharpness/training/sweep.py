"""The models of one job of a sweep, trained one after another in one process."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sharpness.data.images import Images
from sharpness.training.draw import Hyperparameters
from sharpness.training.loop import train
from sharpness.training.settings import Settings
from sharpness.training.task import Task


@dataclass(frozen=True)
class Sweep:
    """What all models of a pool share.

    Attributes:
        seed: the pool's.
        architecture: sizes of the network; those that the images fix are filled in.
        settings: of the training.
        images: the training set.
        state: folder in which each model has its own state folder.
        device: where to train.
    """

    seed: int
    architecture: Mapping[str, Any]
    settings: Settings
    images: Images
    state: Path
    device: torch.device

    def task(self, index: int, hyperparameters: Hyperparameters) -> Task:
        """All that determines one model."""
        architecture = {
            **self.architecture,
            "in_channels": self.images.pixels.shape[1],
            "classes": self.images.classes,
        }
        if self.architecture["name"] == "simple-vit":
            architecture["image_size"] = self.images.pixels.shape[-1]
        return Task(self.seed, index, architecture, hyperparameters, self.settings)


def train_models(
    models: Mapping[str, tuple[int, Hyperparameters]], names: Sequence[str], sweep: Sweep
) -> dict[str, dict[str, Any]]:
    """Train the named models; a finished one costs nothing.

    Returns:
        For each model, the record of its training.
    """
    records = {}
    for name in names:
        trained = train(sweep.task(*models[name]), sweep.images, sweep.state / name, sweep.device)
        records[name] = trained.record
        print(f"{name}: {_summary(trained.record)}", file=sys.stderr)
    return records


def _summary(record: Mapping[str, Any]) -> str:
    if record["status"] != "ok":
        return str(record["reason"])
    return f"trained, training error {100 * record['train_error']:.2f} %"
