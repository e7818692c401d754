"""One model of a sweep: all that determines it, and what comes out."""

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
    """One model to train.

    Attributes:
        seed: the pool's.
        index: the model's number in its pool.
        architecture: what ``sharpness.networks.build`` takes.
        hyperparameters: what the model alone has.
        settings: what all models of the pool share.
    """

    seed: int
    index: int
    architecture: Mapping[str, Any]
    hyperparameters: Hyperparameters
    settings: Training

    @property
    def classes(self) -> int:
        """Number of logits."""
        return int(self.architecture["classes"])

    def digest(self, data: Images) -> str:
        """A name for the task on a data set: another result needs another name."""
        inputs = {"digest": data.digest(), "mean": data.mean, "std": data.std, "flip": data.flip}
        return digest({**self.described(), "data": inputs, "revision": REVISION})

    def described(self) -> dict[str, Any]:
        """All of it, as JSON can hold it."""
        return {**asdict(self), "settings": self.settings.model_dump()}


@dataclass(frozen=True)
class Trained:
    """A trained model.

    Attributes:
        weights: state dict on the CPU.
        record: how it came about, as JSON can hold it. ``status`` ("ok" or "diverged") and
            ``reason``; ``train_error`` (a fraction) and ``train_loss`` of the final weights on
            the training set without augmentation; ``epochs`` begun; ``seed``, ``index``,
            ``hyperparameters``, ``settings``, ``architecture``, ``data``, ``digest``; ``curve``,
            one row an epoch: its number from 1, the mean ``loss`` and ``error`` of the rows it
            trained on (an error is a miss of the larger part of a mixture) and the
            ``learning_rate`` of its last step. A number that is not finite is None.
    """

    weights: dict[str, Tensor]
    record: dict[str, Any]
