"""Labelled photos on disk, decoded batch by batch by a few threads, in a fixed order."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sharpness.data.batches import Batch, Groups
from sharpness.data.class_folders import (
    File,
    digest_of,
    imagenet_wnids,
    labelled,
    names,
    sized,
    subfolders,
)
from sharpness.data.imagenet import LAYOUTS, held_out, select_images
from sharpness.data.preprocessing import RECIPES, Recipe, Values
from sharpness.data.registry import relocate_advice
from sharpness.data.sample import PHOTOS, REDRAWN, read_sample
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
                    yield _collected(*ahead.popleft())
            while ahead:
                yield _collected(*ahead.popleft())
        finally:
            pool.shutdown(cancel_futures=True)

    def digest(self) -> str:
        """Return a 16-digit hash of file names and sizes, labels, groups and recipe.

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
            with open_image(path) as image:
                values = self.recipe(image)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise UserError(f"{path}: is no whole image ({reason}); fetch it again") from error
        if values.nbytes <= SMALL:
            self._kept[name] = values
        return values


def _collected(decoding: list[Future[Values]], labels: Tensor) -> Batch:
    return torch.from_numpy(np.stack([future.result() for future in decoding])), labels


BORDER = {"objectnet": 2}
"""Pixels cut from each side. ObjectNet's photos have a red frame of one pixel, against training on
them by accident; the published accuracies of the soups were measured with two cut away."""


def load_photos(
    name: str, split: str, record: Mapping[str, Any], inputs: Mapping[str, Any]
) -> Photos:
    """Open the photos of a split; they are decoded on demand.

    If ``record`` has a ``sample``, the training images are those of that list, in its order.
    ``inputs`` are ``recipe``, ``size`` and ``threads``; for ImageNet's shifts also ``classes``, the
    network's classes as WordNet ids in logit order (default: ImageNet-1k's).

    Raises:
        UserError: if the folder has changed since the record was made, or has no class of the
            network.
    """
    folder = Path(record["splits"][split]["folder"])
    if inputs["recipe"] not in RECIPES:
        raise UserError(f"recipe {inputs['recipe']!r} is unknown; one of {', '.join(RECIPES)}")
    labels, groups = _classes(name, record, inputs)
    files = _files(name, split, record, labels)
    kept = [file for file in files if _folder(file[0]) in labels]
    return Photos(
        title=record["title"],
        folder=folder,
        files=kept,
        labels=torch.tensor([labels[_folder(name)] for name, _ in kept], dtype=torch.int64),
        groups=groups,
        recipe=Recipe(inputs["recipe"], inputs["size"], BORDER.get(name, 0)),
        threads=inputs.get("threads", 1),
    )


def _classes(
    name: str, record: Mapping[str, Any], inputs: Mapping[str, Any]
) -> tuple[dict[str, int], Groups | None]:
    if name not in LAYOUTS:  # ImageNet itself: its training images define the classes
        return {wnid: label for label, wnid in enumerate(record["classes"])}, None
    try:
        network = inputs.get("classes") or imagenet_wnids()
        return labelled(record["classes"], LAYOUTS[name].naming, network)
    except UserError as problem:
        raise UserError(f"{record['folder']}: {problem}") from None


def _files(
    name: str, split: str, record: Mapping[str, Any], labels: Mapping[str, int]
) -> list[File]:
    """Return the images of a split with sizes: all of the record, or those of its sample."""
    part = record["splits"][split]
    folder = Path(part["folder"])
    sample = record.get("sample") if split == "train" else None
    listed = _sampled(Path(sample), labels) if sample else None
    try:
        files = list(sized(folder, _listed(name, folder, record) if listed is None else listed))
        if listed is None and digest_of(files) != (part["images"], part["digest"]):
            raise UserError(f"{folder}: has changed since it was found")
    except UserError as problem:
        raise UserError(f"{problem}; {relocate_advice(name)}") from None
    return files


def _listed(name: str, folder: Path, record: Mapping[str, Any]) -> list[str]:
    """Return the images of a folder, in the order of the digest in the record."""
    if name in LAYOUTS:
        return list(names(folder, record["classes"]))
    found = list(names(folder, subfolders(folder)))
    if name == "imagenet-2p":
        return select_images(found, held_out(Path(record["holdout"]["path"]), len(found)))
    return found


def _sampled(path: Path, labels: Mapping[str, int]) -> list[str]:
    """Return the images of a sample; raise UserError if a label is not that of the folder."""
    found = []
    for row in read_sample(path, PHOTOS):
        if str(labels.get(_folder(row["file"]))) != row["label"]:
            raise UserError(f"{path}: {row['file']} has label {row['label']!r}; {REDRAWN}")
        found.append(row["file"])
    return found


def _folder(name: str) -> str:
    return name.partition("/")[0]
