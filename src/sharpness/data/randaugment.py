"""RandAugment as the authors released it: two of sixteen operations for each image by itself.

Operations are drawn with replacement, all alike probable; the geometric ones take a random
direction. Every image has draws of its own. Images that share an operation are handled together:
they are sorted by operation, so that each operation works on one contiguous slice.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sharpness.data.operations import POINTWISE, WARPS, cutout, warp

OPERATIONS = (*POINTWISE, *WARPS, "Cutout")
ROUNDS = 2
"""N of RandAugment: how many operations the authors apply to an image."""


def randaugment(pixels: Tensor, generator: torch.Generator, rounds: int = ROUNDS) -> Tensor:
    """Apply random operations to each image.

    Args:
        pixels: uint8 images (n, c, h, w), grey or RGB.
        generator: the source of all draws, on the device of ``pixels``.
        rounds: operations an image, N of RandAugment.

    Returns:
        New uint8 images of the same shape.
    """
    n, device = len(pixels), pixels.device
    choices = torch.randint(len(OPERATIONS), (rounds, n), generator=generator, device=device)
    negative = torch.rand(rounds, n, generator=generator, device=device) < 0.5
    # The released code draws the centre of a cutout from 1 (not 0) to 32 pixels.
    centre = 1 - torch.rand(rounds, n, 2, generator=generator, device=device) * (31 / 32)
    for draws in zip(choices, negative, centre, strict=True):
        pixels = _one_each(pixels, *draws)
    return pixels


def _one_each(pixels: Tensor, choice: Tensor, negative: Tensor, centre: Tensor) -> Tensor:
    """Apply to each image the operation of its ``choice`` (n,)."""
    order = choice.argsort(stable=True)
    grouped, negative, centre = pixels[order], negative[order], centre[order]
    start = 0
    for name, count in zip(OPERATIONS, _counts(choice), strict=True):
        rows = slice(start, start + count)
        start += count
        if count:
            grouped[rows] = _operate(name, grouped[rows], negative[rows], centre[rows])
    result = torch.empty_like(grouped)
    result[order] = grouped
    return result


def _counts(choice: Tensor) -> list[int]:
    """How many images each operation gets."""
    return torch.bincount(choice, minlength=len(OPERATIONS)).tolist()


def _operate(name: str, pixels: Tensor, negative: Tensor, centre: Tensor) -> Tensor:
    """One operation on a group of images."""
    if name in POINTWISE:
        return POINTWISE[name](pixels)
    if name == "Cutout":
        return cutout(pixels, centre)
    return warp(pixels, name, negative)
