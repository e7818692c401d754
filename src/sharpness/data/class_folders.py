"""Image folders with one subfolder per class: list their files, and map folders to logits."""

from __future__ import annotations

import csv
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

from sharpness.io.errors import UserError

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
    with open(RESOURCES / "objectnet.csv", encoding="utf-8", newline="") as stream:
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
