"""The models of one job of a sweep, trained one after another in one process."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sharpness.data.images import Images
from sharpness.faults import out_of_memory
from sharpness.problem import Problem
from sharpness.training.draw import Hyperparameters
from sharpness.training.loop import train
from sharpness.training.settings import REVISION, Training
from sharpness.training.task import Task, Trained


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
    settings: Training
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

    Raises:
        Problem: if a batch is too much for the memory. Half a batch would be another training.
    """
    records = {}
    for name in names:
        trained = _trained(name, *models[name], sweep)
        records[name] = {**trained.record, "revision": REVISION}
        print(f"{name}: {_summary(trained.record)}", file=sys.stderr)
    return records


def _trained(name: str, index: int, hyperparameters: Hyperparameters, sweep: Sweep) -> Trained:
    """One model, trained or found."""
    try:
        task = sweep.task(index, hyperparameters)
        return train(task, sweep.images, sweep.state / name, sweep.device)
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        raise Problem(
            f"{name}: out of memory with batches of {sweep.settings.batch_size}; take a device "
            "with more, or lower the pool's training.batch_size, which makes other models"
        ) from error


def _summary(record: Mapping[str, Any]) -> str:
    if record["status"] != "ok":
        return str(record["reason"])
    return f"trained, training error {100 * record['train_error']:.2f} %"
