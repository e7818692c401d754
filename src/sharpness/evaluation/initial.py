"""The weights from which the training of a model started."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from sharpness.io.files import digest, sha256
from sharpness.training.checkpoint import load
from sharpness.training.hyperparameters import REVISION
from sharpness.training.optimizer import initial_network


class InitialWeights:
    """Tensors of a state dict by name, on the CPU; ``digest`` is of all that determines them."""

    def __init__(self, digest: str, get: Callable[[], Mapping[str, Tensor]]) -> None:
        """Keep the digest, and the function that gets the weights."""
        self.digest, self._get = digest, get

    @classmethod
    def of_training(cls, record: Mapping[str, Any]) -> InitialWeights:
        """Return those of a training of this workflow, drawn again: the same to the bit."""
        drawn = {key: record[key] for key in ("seed", "index", "architecture")}
        name = digest({**drawn, "revision": REVISION})
        return cls(name, lambda: initial_network(**drawn).state_dict())

    @classmethod
    def of_checkpoint(cls, path: str | Path) -> InitialWeights:
        """Return those in a checkpoint of this project."""
        return cls(sha256(path)[:16], lambda: load(path)[0])

    @cached_property
    def weights(self) -> Mapping[str, Tensor]:
        """The weights, had when they are first asked for.

        Raises:
            UserError: as `sharpness.training.checkpoint.load`.
        """
        return self._get()
