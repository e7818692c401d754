"""Recipes: how a photo becomes the input of a network, as the published networks were tested.

Each has two steps, pixels of the final size and their values, so that the pixels can be kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Values = NDArray[np.float32]
Pixels = NDArray[Any]
"""Bytes, or the float32 that interpolation leaves between them."""

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
"""Constants of Radford et al. (2021)."""
TIMM_CROP = 0.9
"""Part of the resized short side that timm keeps for these networks."""


class Preprocessing(Protocol):
    """What turns an image into the values of a network's input."""

    @property
    def key(self) -> Any:
        """Return what it does, in JSON; it enters the digest of the examples."""

    def __call__(self, image: Image.Image) -> Values:
        """Return (3, h, w) float32 of an image; ValueError if it cannot be preprocessed."""


@dataclass(frozen=True)
class Recipe:
    """Preprocessing: key of `RECIPES`, side of the result and border to cut off, in pixels."""

    name: str
    size: int
    border: int = 0

    def __call__(self, image: Image.Image) -> Values:
        """Return (3, size, size) float32 of an image; ValueError if the border leaves nothing."""
        return self.scaled(self.resized(image))

    def resized(self, image: Image.Image) -> Pixels:
        """Return (size, size, 3) of the dtype of the recipe; ValueError as above."""
        pixels = image if image.mode == "RGB" else image.convert("RGB")
        if self.border:
            width, height = pixels.size
            if min(width, height) <= 2 * self.border:
                raise ValueError(f"{width} × {height} pixels are not more than the border")
            box = (self.border, self.border, width - self.border, height - self.border)
            pixels = pixels.crop(box)
        return RECIPES[self.name].resize(pixels, self.size)

    def scaled(self, pixels: Pixels) -> Values:
        """Return (3, size, size) float32 of what `resized` returns."""
        return RECIPES[self.name].scale(pixels)

    @property
    def dtype(self) -> str:
        """Return the type of what `resized` returns."""
        return RECIPES[self.name].dtype

    @property
    def key(self) -> list[str | int]:
        """Return name, size and border."""
        return [self.name, self.size, self.border]


def augreg(image: Image.Image, size: int) -> Values:
    """Resize the whole image to unrounded (size, size, 3) (Steiner et al., 2021).

    As ``tf.image.resize``, it interpolates the four nearest pixels and, unlike Pillow, does not
    smooth before it shrinks.
    """
    return bilinear(np.asarray(image), size)


def timm(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """Resize the short side to size / 0.9 and crop the centre: (size, size, 3)."""
    return centre(image, math.floor(size / TIMM_CROP), size)


def clip(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """Resize the short side to ``size`` and crop the centre: (size, size, 3)."""
    return centre(image, size, size)


def bilinear(pixels: NDArray[np.uint8], size: int) -> Values:
    """Resize (h, w, c) to unrounded (size, size, c) by bilinear interpolation without smoothing."""
    above, below, down = _neighbours(pixels.shape[0], size)
    left, right, across = _neighbours(pixels.shape[1], size)
    across = across.repeat(pixels.shape[2])  # long rows: (size, size·c)

    def corner(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Values:
        values = pixels.take(rows, axis=0).take(columns, axis=1)
        return values.reshape(size, -1).astype(np.float32)

    upper, lower = corner(above, left), corner(below, left)
    upper += (corner(above, right) - upper) * across
    lower += (corner(below, right) - lower) * across
    return (upper + (lower - upper) * down[:, None]).reshape(size, size, -1)


def _neighbours(length: int, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Values]:
    """Return, for each new pixel, the two old ones around its centre, and its offset.

    New pixel k is centred at (k + 1/2)·length/size - 1/2, in single precision as in TensorFlow.
    """
    half, step = np.float32(0.5), np.float32(length) / np.float32(size)
    position = (np.arange(size, dtype=np.float32) + half) * step - half
    first = np.floor(position)
    below = np.maximum(first, 0).astype(np.int64)
    above = np.minimum(np.ceil(position), length - 1).astype(np.int64)
    return below, above, position - first


def centre(image: Image.Image, short: int, size: int) -> NDArray[np.uint8]:
    """Resize the short side to ``short`` (Pillow's bicubic), crop the centre: (size, size, 3).

    Rounding is as in torchvision: the long side down, the margins to even.
    """
    width, height = image.size
    less = min(width, height)
    wide, tall = int(short * width / less), int(short * height / less)
    resized = image.resize((wide, tall), Image.Resampling.BICUBIC)
    left, top = round((wide - size) / 2), round((tall - size) / 2)
    return np.asarray(resized.crop((left, top, left + size, top + size)))


def standardized(
    pixels: NDArray[np.uint8], mean: tuple[float, ...], std: tuple[float, ...]
) -> Values:
    """Map pixels (h, w, c) to (pixels / 255 - mean) / std per channel: (c, h, w), float32."""
    values: Values = np.ascontiguousarray(pixels.transpose(2, 0, 1)).astype(np.float32)
    values /= np.float32(255)
    values -= np.array(mean, np.float32)[:, None, None]
    values /= np.array(std, np.float32)[:, None, None]
    return values


def signed(pixels: Pixels) -> Values:
    """Map pixels (h, w, c) to (c, h, w) in [-1, 1], float32."""
    values = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    return (values - np.float32(127.5)) / np.float32(127.5)


@dataclass(frozen=True)
class Steps:
    """The two steps of a recipe.

    Attributes:
        resize: from an RGB image and a side to pixels (side, side, 3).
        dtype: of these pixels.
        scale: from them to values (3, side, side), float32.
    """

    resize: Callable[[Image.Image, int], Pixels]
    dtype: str
    scale: Callable[[Pixels], Values]


_HALF = (0.5, 0.5, 0.5)

RECIPES = {
    "augreg": Steps(augreg, "<f4", signed),
    "timm": Steps(timm, "|u1", partial(standardized, mean=_HALF, std=_HALF)),
    "clip": Steps(clip, "|u1", partial(standardized, mean=CLIP_MEAN, std=CLIP_STD)),
}
