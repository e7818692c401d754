"""Labelled photos on disk, decoded batch by batch by a few threads, always in the same order."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sharpness.batches import Batch
from sharpness.data.decoding import opened
from sharpness.data.examples import Groups
from sharpness.data.listing import File, digest_of
from sharpness.data.preprocessing import Recipe, Values
from sharpness.files import digest
from sharpness.problem import Problem

SMALL = 4096
"""Bytes of an input that stays in memory: the models of a job share it, and decode it once."""


@dataclass(frozen=True, eq=False)
class Photos:
    """Photos with their labels. At most two batches of them are in memory, unless they are small.

    Attributes:
        title: what tables and figures call the set.
        folder: in which the files lie.
        files: name within the folder and size of each.
        labels: (n,), int64; indices of ``groups`` where there are any.
        groups: for each label the logits that mean it; None where label k is logit k.
        recipe: how a photo becomes an input.
        threads: how many decode at once; without influence on the result.
    """

    title: str
    folder: Path
    files: Sequence[File]
    labels: Tensor
    groups: Groups | None
    recipe: Recipe
    threads: int = 1
    _kept: dict[str, Values] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        """Number of photos."""
        return len(self.files)

    def subset(self, index: slice) -> Photos:
        """The photos at these positions, in this order."""
        return replace(self, files=self.files[index], labels=self.labels[index])

    def batches(self, size: int) -> Iterator[Batch]:
        """(inputs (size, 3, h, w) float32, labels (size,)), the last maybe smaller.

        The next batch is decoded while this one is used.

        Raises:
            Problem: if a file is no whole image.
        """
        pool = ThreadPoolExecutor(self.threads)
        ahead: deque[tuple[list[Future[Values]], Tensor]] = deque()
        try:
            for start in range(0, len(self), size):
                part = self.subset(slice(start, start + size))
                ahead.append(([pool.submit(self._read, n) for n, _ in part.files], part.labels))
                if len(ahead) == 2:
                    yield _collected(*ahead.popleft())
            while ahead:
                yield _collected(*ahead.popleft())
        finally:
            pool.shutdown(cancel_futures=True)

    def digest(self) -> str:
        """A 16-digit name for the files' names and sizes, their labels, and what is made of them.

        Contents are not read: that would take as long as decoding them.
        """
        _, files = digest_of(self.files)
        labels = hashlib.sha256(self.labels.numpy().astype("<i8").tobytes()).hexdigest()
        recipe = [self.recipe.name, self.recipe.size, self.recipe.border]
        return digest([files, labels, self.groups, recipe])

    def _read(self, name: str) -> Values:
        if name in self._kept:
            return self._kept[name]
        path = self.folder / name
        try:
            with opened(path) as image:
                values = self.recipe(image)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise Problem(f"{path}: is no whole image ({reason}); fetch it again") from error
        if values.nbytes <= SMALL:
            self._kept[name] = values
        return values


def _collected(decoding: list[Future[Values]], labels: Tensor) -> Batch:
    return torch.from_numpy(np.stack([future.result() for future in decoding])), labels
