"""Dropout for a stack of models, each with its own stream."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

RATE = 0.6


class Dropout:
    """Sets each element to zero with probability 0.6 and divides the others by 0.4."""

    def __init__(self, generators: Sequence[np.random.Generator]) -> None:
        """Draw from these streams, one per model."""
        self._generators = generators

    def __call__(self, x: Tensor) -> Tensor:
        """Drop from x, (rows, M, ...), with new draws."""
        shape = (x.shape[0], *x.shape[2:])
        uniform = np.stack([g.random(shape, dtype=np.float32) for g in self._generators], axis=1)
        return x * (torch.from_numpy(uniform) >= RATE) / (1 - RATE)
