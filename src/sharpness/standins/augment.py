"""Augmentation for inputs of 8 × 8 pixels, in the place of RandAugment (Cubuk et al., 2020).

The amounts of `sharpness.data.augment` are the released code's and leave nothing of such digits.
"""

from __future__ import annotations

import torch
from torch import Tensor

LARGEST = 20
"""The magnitude at which an operation has its full strength."""
LEAST = 0.2
"""The strength at magnitude 0, which is not the identity in the original either."""
SQUARE = 3
"""The side of what is erased."""


def randaugment(inputs: Tensor, layers: int, magnitude: int, random: torch.Generator) -> Tensor:
    """Apply ``layers`` operations, each drawn from four for the batch, its amounts for each image.

    Args:
        inputs: (n, 3, 8, 8), standardized: 0 is grey.
        layers: N of the original.
        magnitude: M of the original, 0 to 20; strength grows linearly with it.
        random: draws operations and their amounts.
    """
    strength = LEAST + (1 - LEAST) * magnitude / LARGEST
    for choice in torch.randint(len(OPERATIONS), (layers,), generator=random).tolist():
        inputs = OPERATIONS[choice](inputs, strength, random)
    return inputs


def move(inputs: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Move by up to ``strength`` pixels along each axis, interpolated; what leaves comes back."""
    for axis in (2, 3):
        share = strength * (2 * torch.rand(len(inputs), 1, 1, 1, generator=random) - 1)
        neighbour = torch.where(share > 0, inputs.roll(1, axis), inputs.roll(-1, axis))
        inputs = inputs.lerp(neighbour, share.abs().expand_as(inputs))
    return inputs


def noise(inputs: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Independent grey noise at every pixel, of deviation 0.4 at full strength."""
    return inputs + 0.4 * strength * torch.randn(len(inputs), 1, 8, 8, generator=random)


def contrast(inputs: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Up to three fifths of the way to grey."""
    return inputs * (1 - 0.6 * strength * torch.rand(len(inputs), 1, 1, 1, generator=random))


def erase(inputs: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """A square faded towards grey, wholly at full strength."""
    corner = torch.randint(8 - SQUARE + 1, (2, len(inputs), 1), generator=random)
    offset = torch.arange(8) - corner  # (2, n, 8)
    rows, columns = (offset >= 0) & (offset < SQUARE)
    inside = rows[:, None, :, None] & columns[:, None, None, :]
    return inputs * (1 - strength * inside.to(inputs.dtype))


OPERATIONS = (move, noise, contrast, erase)
