"""The weights from which the training of a model started."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from sharpness.io.files import digest, sha256
from sharpness.training.checkpoint import load
from sharpness.training.hyperparameters import REVISION
from sharpness.training.optimizer import initial_network


class InitialWeights(Mapping[str, Tensor]):
    """Tensors of a state dict by name, on the CPU; had when the first of them is asked for.

    ``digest`` is that of all that determines them.
    """

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

    def read(self) -> None:
        """Have the weights now, as a damaged file must not look like a measure that failed.

        Raises:
            UserError: as `sharpness.training.checkpoint.load`.
        """
        len(self._weights)

    @cached_property
    def _weights(self) -> Mapping[str, Tensor]:
        return self._get()

    def __getitem__(self, name: str) -> Tensor:
        """Return a tensor."""
        return self._weights[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._weights)

    def __len__(self) -> int:
        """Return the number of tensors."""
        return len(self._weights)
