"""Labelled 8-bit images, held in memory, and their augmentation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import pad

from sharpness.data.batches import Batch, Groups
from sharpness.data.randaugment import FILL, ROUNDS, randaugment
from sharpness.io.errors import UserError


@dataclass(frozen=True, eq=False)
class Images:
    """Images with labels, and the constants that turn them into network inputs.

    Attributes:
        pixels: (n, c, h, w), uint8.
        labels: (n,), int64, from 0 to ``classes`` - 1.
        mean: per channel, of pixels scaled to [0, 1]; ``std`` likewise.
        flip: whether an image mirrored left to right keeps its label.
        groups: the logits of each class; None where class k is logit k.
    """

    pixels: Tensor
    labels: Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]
    flip: bool
    title: str
    classes: int
    groups: Groups | None = None

    def __post_init__(self) -> None:
        """Raise UserError if the tensors do not fit together."""
        n, c = len(self.labels), len(self.mean)
        if self.pixels.dtype != torch.uint8 or self.pixels.ndim != 4:
            raise UserError(f"{self.title}: pixels must be uint8 of shape (n, c, h, w)")
        if self.labels.dtype != torch.int64 or self.pixels.shape[:2] != (n, c):
            raise UserError(f"{self.title}: {n} labels, {c} channels do not fit the pixels")
        if n and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < self.classes:
            raise UserError(f"{self.title}: labels must be 0 to {self.classes - 1}")

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    def subset(self, index: slice | Tensor | Sequence[int]) -> Images:
        """Return the images at these positions, in this order."""
        chosen = index if isinstance(index, slice) else torch.as_tensor(index)
        return replace(self, pixels=self.pixels[chosen], labels=self.labels[chosen])

    def normalized(self, pixels: Tensor | None = None) -> Tensor:
        """Return network inputs (pixels / 255 - mean) / std, float32, on the device of the pixels.

        ``pixels`` are uint8 (k, c, h, w), such as augmented views; None means all of the data set.
        """
        pixels = self.pixels if pixels is None else pixels
        shape = (1, -1, 1, 1)
        mean = torch.tensor(self.mean, device=pixels.device).view(shape)
        std = torch.tensor(self.std, device=pixels.device).view(shape)
        return (pixels.float() / 255 - mean) / std

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield network inputs and labels on the data's device; the last batch may be smaller."""
        for start in range(0, len(self), size):
            part = self.subset(slice(start, start + size))
            yield part.normalized(), part.labels

    def to(self, device: str | torch.device) -> Images:
        """Return the data set on another device."""
        return replace(self, pixels=self.pixels.to(device), labels=self.labels.to(device))

    def digest(self) -> str:
        """Return a 16-digit hash of pixels, labels and groups."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        state = hashlib.sha256(f"{tuple(self.pixels.shape)}{self.groups or ''}".encode())
        for tensor in (self.pixels, self.labels):
            state.update(tensor.cpu().contiguous().numpy().data)
        return state.hexdigest()[:16]


PADDING = 4  # pixels, for 32 × 32 images


def augment(
    pixels: Tensor, generator: torch.Generator, flip: bool = True, rounds: int = ROUNDS
) -> Tensor:
    """Return one augmented view of each image: RandAugment, a crop from black padding, a flip.

    ``pixels`` are uint8 (n, c, h, w), grey or RGB, on the device of ``generator``. Amounts in
    pixels are those for 32 × 32 images and scale with the image. ``flip``, which mirrors half of
    the images left to right, is not for digits; with 0 ``rounds``, only crop and flip are left.

    Raises:
        UserError: if ``pixels`` are not 8-bit images of one or three channels.
    """
    if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[1] not in FILL:
        shape = tuple(pixels.shape)
        raise UserError(
            f"augment: needs uint8 pixels (n, 1 or 3, h, w), not {pixels.dtype} of shape {shape}"
        )
    return crop(randaugment(pixels, generator, rounds), generator, flip)


def crop(pixels: Tensor, generator: torch.Generator, flip: bool) -> Tensor:
    """Shift images (n, c, h, w) at random by up to the padding; if ``flip``, mirror half of all."""
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
    """Return the positions (n, length) of a random window in each padded row."""
    device = generator.device
    start = torch.randint(2 * padding + 1, (n, 1), generator=generator, device=device)
    return start + torch.arange(length, device=device)
