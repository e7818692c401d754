"""The training augmentation of the CIFAR-10 sweeps, drawn for each image by itself.

App. H of Andriushchenko et al. (2023) names RandAugment; the strengths are those of the released
code, which are far beyond those of other implementations of the same name: a translation leaves a
blank image, posterization one bit.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from sharpness.data.operations import FILL
from sharpness.data.randaugment import ROUNDS, randaugment
from sharpness.problem import Problem

PADDING = 4  # pixels of 32


def augment(
    pixels: Tensor, generator: torch.Generator, flip: bool = True, rounds: int = ROUNDS
) -> Tensor:
    """One augmented view of each image: RandAugment, a crop from black padding, a flip.

    Amounts in pixels are those for 32 × 32 images and scale with the image.

    Args:
        pixels: uint8 images (n, c, h, w), grey or RGB.
        generator: the source of all draws, on the device of ``pixels``; the same seed gives the
            same views.
        flip: whether half of the images are mirrored left to right; not for digits.
        rounds: operations of RandAugment an image; 0 leaves crop and flip.

    Returns:
        New uint8 images of the same shape.

    Raises:
        Problem: if ``pixels`` are not 8-bit images of one or three channels.
    """
    if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[1] not in FILL:
        shape = tuple(pixels.shape)
        raise Problem(
            f"augment: needs uint8 pixels (n, 1 or 3, h, w), not {pixels.dtype} of shape {shape}"
        )
    return crop(randaugment(pixels, generator, rounds), generator, flip)


def crop(pixels: Tensor, generator: torch.Generator, flip: bool) -> Tensor:
    """Shift each image by up to the padding in any direction, and mirror half of them.

    Args:
        pixels: (n, c, h, w).
        generator: the source of all draws.
        flip: whether to mirror.

    Returns:
        (n, c, h, w), the same type as ``pixels``.
    """
    n, c, h, w = pixels.shape
    tall, wide = round(PADDING * h / 32), round(PADDING * w / 32)
    rows = _window(h, tall, n, generator)
    columns = _window(w, wide, n, generator)
    if flip:
        mirrored = torch.rand(n, 1, generator=generator, device=generator.device) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    source = rows[:, :, None] * (w + 2 * wide) + columns[:, None, :]  # (n, h, w)
    padded = pad(pixels, (wide, wide, tall, tall)).flatten(2)
    return padded.gather(2, source.view(n, 1, h * w).expand(n, c, h * w)).view(n, c, h, w)


def _window(length: int, padding: int, n: int, generator: torch.Generator) -> Tensor:
    """Positions (n, length) of a random window in each padded row."""
    device = generator.device
    start = torch.randint(2 * padding + 1, (n, 1), generator=generator, device=device)
    return start + torch.arange(length, device=device)
