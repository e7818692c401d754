"""Labelled photos on disk: decoded batch by batch by a few threads, in a fixed order.

Needs no torchvision.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sharpness.data.batches import Batch, Groups
from sharpness.data.listing import File, digest_of
from sharpness.data.photo_cache import PhotoCache
from sharpness.data.recipes import Pixels, Preprocessing, Values
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
        cache: where the resized photos of the whole data set are kept; None for nowhere.
    """

    title: str
    folder: Path
    files: Sequence[File]
    labels: Tensor
    groups: Groups | None
    recipe: Preprocessing
    threads: int = 1
    cache: PhotoCache | None = None
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
        if self.cache is not None:
            resized = partial(self._decoded, prepare=self.cache.recipe.resized)
            self.cache.open(resized if len(self) == len(self.cache) else None, self.threads)
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
        if self.cache is None or (pixels := self.cache.pixels(name)) is None:
            values = self._decoded(name, self.recipe)
        else:
            values = self.cache.recipe.scaled(pixels)
        if values.nbytes <= SMALL:
            self._kept[name] = values
        return values

    def _decoded(self, name: str, prepare: Callable[[Image.Image], Pixels]) -> Pixels:
        path = self.folder / name
        try:
            with open_image(path) as image:
                return prepare(image)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise UserError(f"{path}: is no whole image ({reason}); fetch it again") from error

    def _collected(self, decoding: list[Future[Values]], labels: Tensor) -> Batch:
        return stacked([future.result() for future in decoding], self.title), labels


def stacked(values: Sequence[Values], title: str) -> Tensor:
    """Join images to one tensor; raise UserError, which begins with the title, for many sizes."""
    if len(shapes := {value.shape for value in values}) > 1:
        sizes = " and ".join(map(str, sorted(shapes)[:2]))
        raise UserError(f"{title}: the model's preprocessing leaves images of {sizes}; resize them")
    return torch.from_numpy(np.stack(values))
