"""Lists of the examples of large data sets: image folders, and samples of training examples.

An image folder has one subfolder per class, which is mapped to the logits. Of a training set that
is too large to use all, there is one seeded list: all of its examples give the training error, the
first of them the sharpness. The order is that of SHA-256 of seed and name; it does not depend on
the platform, a library's generator or the other examples.
"""

from __future__ import annotations

import csv
import hashlib
import heapq
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sharpness.data.nli import mnli_lines
from sharpness.data.registry import relocate_advice
from sharpness.io.archive import read_npy
from sharpness.io.errors import REMAKE, UserError, reading
from sharpness.io.files import write_csv

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""Suffixes of image files, in lower or upper case, as for torchvision's ImageFolder."""

File = tuple[str, int]
"""``class/name`` of an image, and its size in bytes."""


def subfolders(folder: Path) -> list[str]:
    """Return the sorted names of the subfolders of a folder, without hidden ones."""
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))


def names(folder: Path, classes: Iterable[str]) -> Iterator[str]:
    """Yield ``class/name`` of every image; raise UserError for a class without images.

    With sorted ``classes``, the order is that of torchvision's ImageFolder.
    """
    for name in classes:
        with os.scandir(folder / name) as entries:
            visible = (e.name for e in entries if not e.name.startswith("."))
            images = sorted(n for n in visible if n.lower().endswith(SUFFIXES))
        if not images:
            raise UserError(f"{folder / name}: has no images; fetch it again, or remove the folder")
        yield from (f"{name}/{image}" for image in images)


def sized(folder: Path, names: Iterable[str]) -> Iterator[File]:
    """Yield each image's name and size in bytes; raise UserError if it is no regular file."""
    for name in names:
        try:
            found = os.stat(folder / name)
        except FileNotFoundError:
            raise UserError(f"{folder / name}: no such image; the folder has changed") from None
        if not stat.S_ISREG(found.st_mode):  # opening a pipe would block
            raise UserError(f"{folder / name}: is no file; remove it")
        yield name, found.st_size


def summary(folder: Path, names: Iterable[str]) -> dict[str, Any]:
    """Return the record entry of the images of a split: their folder, number and digest."""
    images, digest = digest_of(sized(folder, names))
    return {"folder": str(folder), "images": images, "digest": digest}


def digest_of(files: Iterable[File]) -> tuple[int, str]:
    """Return the number of images, and a 16-digit hash of their names and sizes in order."""
    state, count = hashlib.sha256(), 0
    for name, size in files:
        state.update(os.fsencode(f"{name}\t{size}\n"))
        count += 1
    return count, state.hexdigest()[:16]


RESOURCES = Path(__file__).parents[3] / "resources"
"""The project's own tables; the path assumes an editable install."""

Naming = Literal["wnid", "number", "objectnet"]
"""How class folders are named: by WordNet id, by number of the logit, or by ObjectNet's words."""


@cache
def imagenet_wnids() -> tuple[str, ...]:
    """Return the WordNet ids of ImageNet-1k's 1000 classes, in the order of the logits."""
    return tuple((RESOURCES / "imagenet_classes.txt").read_text(encoding="utf-8").split())


@cache
def objectnet_wnids() -> dict[str, tuple[str, ...]]:
    """Return the WordNet ids of each of the 113 ObjectNet folders that are ImageNet classes."""
    with open(RESOURCES / "objectnet.csv", encoding="utf-8-sig", newline="") as stream:
        return {row["folder"]: tuple(row["wnids"].split()) for row in csv.DictReader(stream)}


def is_imagenet_class(folder: str, naming: Naming) -> bool:
    """Return whether a class folder of this name holds an ImageNet class."""
    if naming == "objectnet":
        return folder in objectnet_wnids()
    if naming == "number":
        return folder.isascii() and folder.isdecimal() and str(int(folder)) == folder
    return folder in imagenet_wnids()


def labelled(
    folders: Iterable[str], naming: Naming, classes: Sequence[str]
) -> tuple[dict[str, int], tuple[tuple[int, ...], ...] | None]:
    """Map class folders to labels, and labels to logits.

    Folders of classes that the network does not have are left out, as are logits without a folder:
    the network chooses among the classes of the data set. ``classes`` are the network's, as WordNet
    ids in logit order.

    Returns:
        Labels by folder, in the order of the logits, and the groups; None where label k is logit k
        for all logits.

    Raises:
        UserError: if the number of a folder exceeds the logits, or no folder is a class.
    """
    meaning = {folder: _logits(folder, naming, classes) for folder in folders}
    kept = sorted((folder for folder in meaning if meaning[folder]), key=meaning.__getitem__)
    if not kept:
        raise UserError(f"none of the {len(meaning)} class folders is a class of the network")
    groups = tuple(meaning[folder] for folder in kept)
    whole = groups == tuple((k,) for k in range(len(classes)))
    return {folder: label for label, folder in enumerate(kept)}, None if whole else groups


def _logits(folder: str, naming: Naming, classes: Sequence[str]) -> tuple[int, ...]:
    """Return the logits that count as the class of a folder, ascending."""
    if naming == "number":
        if int(folder) >= len(classes):
            raise UserError(f"class folder {folder}: the network has only {len(classes)} classes")
        return (int(folder),)
    wnids = objectnet_wnids()[folder] if naming == "objectnet" else (folder,)
    return tuple(sorted(classes.index(wnid) for wnid in wnids if wnid in classes))


def held_out(path: Path, images: int) -> NDArray[np.bool_]:
    """Read the mask (images,) of the training images that the soups' publishers held out.

    The file is their ``imagenet_98_idxs.npy``, in ImageFolder order; 1 means held out.

    Raises:
        UserError: if the file is missing, or does not hold 0 or 1 for each of ``images`` images.
    """
    if not path.is_file():
        raise UserError(f"data.imagenet.holdout: {path} is no file; correct it or remove the key")
    try:
        index = read_npy(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}); mend it") from error
    fits = index.dtype.kind in "biuf" and bool(np.isin(index, (0, 1)).all())
    if index.shape != (images,) or not fits:
        raise UserError(
            f"{path}: is {index.dtype} of shape {index.shape}, not a 0 or 1 for each of the "
            f"{images} training images"
        )
    return index.astype(bool)


def select_images(images: list[str], mask: NDArray[np.bool_]) -> list[str]:
    """Return the images at which the mask is true."""
    return [image for image, wanted in zip(images, mask, strict=True) if wanted]


SAMPLE_REVISION = 1
"""Increase it when the choice of examples changes: all samples are drawn again."""
PHOTOS = ("file", "label")
"""Columns of a list of photos: ``class/name`` in the training folder, and the logit."""
SENTENCES = ("line", "label")
"""Columns of a list of sentences: the line in the training file, and the gold label."""


def write_sample(
    path: str | Path, name: str, record: Mapping[str, Any], examples: int, seed: int
) -> None:
    """Write the list of sampled training examples as CSV, in seeded order.

    The list has at most ``examples`` of ``imagenet`` or ``mnli``, without those held out by the
    record's ``holdout``; for a missing data set it has only a header.

    Raises:
        UserError: if the examples are not where the record says.
    """
    columns, rows = (SENTENCES, mnli_lines) if name == "mnli" else (PHOTOS, _training_images)
    present = record["status"] == "present"
    try:
        chosen = draw_sample(rows(record) if present else (), columns[0], examples, seed)
    except OSError as error:
        where = error.filename or f"data set {name}"
        raise UserError(
            f"{where}: {error.strerror or error}; put it back, or {relocate_advice(name)}"
        ) from error
    write_csv(path, chosen, columns)


def read_sample(path: str | Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read a sample list; raise UserError if it is unreadable, empty or has other columns."""
    with reading(path, REMAKE), open(path, encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        rows = list(reader)
    whole = all(None not in row and None not in row.values() for row in rows)
    if tuple(reader.fieldnames or ()) != tuple(columns) or not rows or not whole:
        raise UserError(f"{path}: is no list of {', '.join(columns)}; {REMAKE}")
    return rows


def draw_sample(
    rows: Iterable[Mapping[str, Any]], key: str, examples: int, seed: int
) -> list[Mapping[str, Any]]:
    """Draw rows in seeded order; the rank of a row depends only on its key and the seed."""

    def rank(row: Mapping[str, Any]) -> bytes:
        return hashlib.sha256(f"{seed}/{row[key]}".encode()).digest()

    return heapq.nsmallest(examples, rows, key=rank)


def _training_images(record: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """Return every training image that is not held out."""
    classes = record["classes"]
    found = list(names(Path(record["splits"]["train"]["folder"]), classes))
    if record["holdout"]:
        found = select_images(found, ~held_out(Path(record["holdout"]["path"]), len(found)))
    labels = {wnid: label for label, wnid in enumerate(classes)}
    return ({"file": name, "label": labels[name.partition("/")[0]]} for name in found)
