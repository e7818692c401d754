"""One model of a sweep: the input and the result of its training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from sharpness.io.files import digest
from sharpness.training.hyperparameters import REVISION, Hyperparameters, Training

if TYPE_CHECKING:
    from sharpness.data.images import Images


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
        return digest({**self.described(), "data": inputs, "revision": REVISION})

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
