"""Labelled photos on disk, decoded batch by batch by a few threads, always in the same order."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, eq=False)
class Photos:
    """Photos with their labels. At most two batches of them are in memory.

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
        path = self.folder / name
        try:
            with opened(path) as image:
                return self.recipe(image)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise Problem(f"{path}: is no whole image ({reason}); fetch it again") from error


def _collected(decoding: list[Future[Values]], labels: Tensor) -> Batch:
    return torch.from_numpy(np.stack([future.result() for future in decoding])), labels
