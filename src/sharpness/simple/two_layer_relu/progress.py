"""How far a training has come, in one atomic file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sharpness.problem import Problem
from sharpness.simple.two_layer_relu.modules import Weights
from sharpness.training import checkpoint


@dataclass(frozen=True)
class Progress:
    """A training after some of its stretches.

    Attributes:
        weights: the weights then.
        curve: one point per stretch done, and the one before all of them.
        result: what was measured on the finished solution; None before.
    """

    weights: Weights
    curve: list[dict[str, float]]
    result: dict[str, Any] | None = None

    def save(self, path: Path) -> None:
        """Replace the file whole: a kill leaves the progress before or the one after."""
        tensors = {name: torch.from_numpy(value) for name, value in self.weights.items()}
        checkpoint.save(path, tensors, {"curve": self.curve, "result": self.result})

    @classmethod
    def load(cls, path: Path) -> Progress | None:
        """The progress in a file; None if there is none, or a power cut left an unreadable one."""
        try:
            tensors, metadata = checkpoint.load(path)
        except Problem:
            return None
        weights = {name: tensor.numpy().copy() for name, tensor in tensors.items()}
        return cls(weights, metadata["curve"], metadata["result"])
