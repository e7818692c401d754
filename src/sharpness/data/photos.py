"""Labelled photos on disk: decoded batch by batch by a few threads, in a fixed order.

They are preprocessed as the published networks were tested. Needs no torchvision.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sharpness.data.batches import Batch, Groups
from sharpness.data.listing import File, digest_of
from sharpness.io.errors import UserError
from sharpness.io.files import digest

KINDS = ("JPEG", "PNG", "GIF", "PPM", "BMP", "TIFF", "WEBP")
"""Accepted formats, by content, not suffix. Others may run programs (for EPS, Ghostscript)."""
PIXELS = 1 << 26
LONGEST = 100
"""Largest ratio of the sides: recipes scale by the shorter one."""


@contextmanager
def open_image(source: Path | IO[bytes]) -> Iterator[Image.Image]:
    """Open an image lazily; a damaged one raises ValueError, also from within the block."""
    try:
        with Image.open(source, formats=KINDS) as image:
            width, height = image.size
            if width * height > PIXELS or max(width, height) > LONGEST * min(width, height):
                raise ValueError(f"{width} × {height} pixels are no photo")
            yield image
    except OSError as error:
        if error.errno is not None:
            raise
        raise ValueError(str(error)) from error
    except Exception as error:  # a damaged image may raise anything
        raise ValueError(f"{error}" or type(error).__name__) from error


Values = NDArray[np.float32]

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
        pixels = image if image.mode == "RGB" else image.convert("RGB")
        if self.border:
            width, height = pixels.size
            if min(width, height) <= 2 * self.border:
                raise ValueError(f"{width} × {height} pixels are not more than the border")
            box = (self.border, self.border, width - self.border, height - self.border)
            pixels = pixels.crop(box)
        return RECIPES[self.name](pixels, self.size)

    @property
    def key(self) -> list[str | int]:
        """Return name, size and border."""
        return [self.name, self.size, self.border]


def augreg(image: Image.Image, size: int) -> Values:
    """Resize the whole image to (3, size, size), with values in [-1, 1] (Steiner et al., 2021).

    As ``tf.image.resize``, it interpolates the four nearest pixels and, unlike Pillow, does not
    smooth before it shrinks.
    """
    values = bilinear(np.asarray(image), size).transpose(2, 0, 1)
    return (np.ascontiguousarray(values) - np.float32(127.5)) / np.float32(127.5)


def timm(image: Image.Image, size: int) -> Values:
    """Resize the short side to size / 0.9 and crop the centre: (3, size, size), in [-1, 1]."""
    pixels = centre(image, math.floor(size / TIMM_CROP), size)
    return standardized(pixels, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def clip(image: Image.Image, size: int) -> Values:
    """Resize the short side to ``size``, crop the centre and standardize: (3, size, size)."""
    return standardized(centre(image, size, size), CLIP_MEAN, CLIP_STD)


RECIPES: dict[str, Callable[[Image.Image, int], Values]] = {
    "augreg": augreg,
    "timm": timm,
    "clip": clip,
}


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


SMALL = 4096
"""Largest input, in bytes, that stays in memory: the models of a job decode it only once."""


@dataclass(frozen=True, eq=False)
class Photos:
    """Photos with labels; at most two batches are in memory, besides inputs up to `SMALL` bytes.

    Attributes:
        files: name within ``folder`` and size of each.
        labels: (n,), int64; indices of ``groups`` unless that is None.
        groups: the logits of each label; None where label k is logit k.
        threads: number of decoding threads; has no influence on the result.
    """

    title: str
    folder: Path
    files: Sequence[File]
    labels: Tensor
    groups: Groups | None
    recipe: Preprocessing
    threads: int = 1
    _kept: dict[str, Values] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        """Return the number of photos."""
        return len(self.files)

    def subset(self, index: slice) -> Photos:
        """Return the photos at these positions, in this order."""
        return replace(self, files=self.files[index], labels=self.labels[index])

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield inputs (size, 3, h, w) float32 and labels (size,); the last batch may be smaller.

        The next batch is decoded while the current one is used.

        Raises:
            UserError: if a file is not a complete image.
        """
        pool = ThreadPoolExecutor(self.threads)
        ahead: deque[tuple[list[Future[Values]], Tensor]] = deque()
        try:
            for start in range(0, len(self), size):
                part = self.subset(slice(start, start + size))
                ahead.append(([pool.submit(self._read, n) for n, _ in part.files], part.labels))
                if len(ahead) == 2:
                    yield self._collected(*ahead.popleft())
            while ahead:
                yield self._collected(*ahead.popleft())
        finally:
            pool.shutdown(cancel_futures=True)

    def digest(self) -> str:
        """Return a 16-digit hash of file names and sizes, labels, groups and recipe.

        Contents are not read: that would take as long as decoding them.
        """
        _, files = digest_of(self.files)
        labels = hashlib.sha256(self.labels.numpy().astype("<i8").tobytes()).hexdigest()
        return digest([files, labels, self.groups, self.recipe.key])

    def _read(self, name: str) -> Values:
        if name in self._kept:
            return self._kept[name]
        path = self.folder / name
        try:
            with open_image(path) as image:
                values = self.recipe(image)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise UserError(f"{path}: is no whole image ({reason}); fetch it again") from error
        if values.nbytes <= SMALL:
            self._kept[name] = values
        return values

    def _collected(self, decoding: list[Future[Values]], labels: Tensor) -> Batch:
        return stacked([future.result() for future in decoding], self.title), labels


def stacked(values: Sequence[Values], title: str) -> Tensor:
    """Join images to one tensor; raise UserError, which begins with the title, for many sizes."""
    if len(shapes := {value.shape for value in values}) > 1:
        sizes = " and ".join(map(str, sorted(shapes)[:2]))
        raise UserError(f"{title}: the model's preprocessing leaves images of {sizes}; resize them")
    return torch.from_numpy(np.stack(values))
