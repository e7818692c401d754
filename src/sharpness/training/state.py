"""The state of an unfinished training, and the result of a finished one, in one atomic file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from sharpness.problem import Problem
from sharpness.training import checkpoint
from sharpness.training.layout import MOMENTUM, WEIGHTS


@dataclass(frozen=True)
class State:
    """A training after a whole number of epochs.

    Attributes:
        weights: state dict.
        momentum: one tensor per parameter, by name; empty once finished.
        curve: one row per epoch done.
        record: of the finished training, else None.
    """

    weights: dict[str, Tensor]
    momentum: dict[str, Tensor]
    curve: list[dict[str, Any]]
    record: dict[str, Any] | None = None

    def save(self, path: Path) -> None:
        """Replace the file whole: a kill leaves the state before or the one after."""
        tensors = {WEIGHTS + name: tensor for name, tensor in self.weights.items()}
        tensors |= {MOMENTUM + name: tensor for name, tensor in self.momentum.items()}
        checkpoint.save(path, tensors, {"curve": self.curve, "record": self.record})

    @classmethod
    def load(cls, path: Path) -> State | None:
        """The state in a file; None if there is none, or a power cut left an unreadable one."""
        try:
            tensors, metadata = checkpoint.load(path)
        except Problem:
            return None
        return cls(
            _under(WEIGHTS, tensors),
            _under(MOMENTUM, tensors),
            metadata["curve"],
            metadata["record"],
        )


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
