"""Folders of images, one a class: their files in order, and which logits stand for a folder."""

from __future__ import annotations

import csv
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sharpness.io.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""What counts as an image, in lower or upper case; the same as for torchvision's ImageFolder."""

File = tuple[str, int]
"""``class/name`` of an image, and its size in bytes."""


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted, hidden ones left out."""
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))


def names(folder: Path, classes: Iterable[str]) -> Iterator[str]:
    """``class/name`` of every image, in the order of torchvision's ImageFolder: sorted twice.

    Args:
        folder: holds one folder for each class.
        classes: names of the folders to look into, in the order wanted.

    Raises:
        UserError: if one of them has no image.
    """
    for name in classes:
        with os.scandir(folder / name) as entries:
            visible = (e.name for e in entries if not e.name.startswith("."))
            images = sorted(n for n in visible if n.lower().endswith(SUFFIXES))
        if not images:
            raise UserError(f"{folder / name}: has no images; fetch it again, or remove the folder")
        yield from (f"{name}/{image}" for image in images)


def sized(folder: Path, names: Iterable[str]) -> Iterator[File]:
    """Each image with its size.

    Raises:
        UserError: if one is not there, or is no file: who opens a pipe waits for ever.
    """
    for name in names:
        try:
            found = os.stat(folder / name)
        except FileNotFoundError:
            raise UserError(f"{folder / name}: no such image; the folder has changed") from None
        if not stat.S_ISREG(found.st_mode):
            raise UserError(f"{folder / name}: is no file; remove it")
        yield name, found.st_size


def summary(folder: Path, names: Iterable[str]) -> dict[str, Any]:
    """What a record says of the images of a split: where they are, how many, and their digest."""
    images, digest = digest_of(sized(folder, names))
    return {"folder": str(folder), "images": images, "digest": digest}


def digest_of(files: Iterable[File]) -> tuple[int, str]:
    """The number of images, and a 16-digit name for their names and sizes in this order."""
    state, count = hashlib.sha256(), 0
    for name, size in files:
        state.update(os.fsencode(f"{name}\t{size}\n"))
        count += 1
    return count, state.hexdigest()[:16]


if TYPE_CHECKING:
    from sharpness.data.batches import Groups

RESOURCES = Path(__file__).parents[3] / "resources"
"""The project's own tables, found from the source tree (an editable install)."""

Naming = Literal["wnid", "number", "objectnet"]
"""How a set names its class folders."""


@cache
def imagenet() -> tuple[str, ...]:
    """The ids of ImageNet-1k's 1000 classes, in the order of the logits."""
    return tuple((RESOURCES / "imagenet_classes.txt").read_text(encoding="utf-8").split())


@cache
def objectnet() -> dict[str, tuple[str, ...]]:
    """For each of the 113 folders of ObjectNet that ImageNet knows, the ids that mean it."""
    with open(RESOURCES / "objectnet.csv", encoding="utf-8", newline="") as stream:
        return {row["folder"]: tuple(row["wnids"].split()) for row in csv.DictReader(stream)}


def belongs(folder: str, naming: Naming) -> bool:
    """Whether a folder of this name holds a class that ImageNet has."""
    if naming == "objectnet":
        return folder in objectnet()
    if naming == "number":
        return folder.isascii() and folder.isdecimal() and str(int(folder)) == folder
    return folder in imagenet()


def labelled(
    folders: Iterable[str], naming: Naming, classes: Sequence[str]
) -> tuple[dict[str, int], Groups | None]:
    """The label of each class folder, and the logits that mean each label.

    Folders of classes that the network does not know are left out, as are logits that no folder
    means: a network is asked to choose among the classes that the set has.

    Args:
        folders: names of the class folders.
        naming: how they are named.
        classes: the network's, as WordNet ids in logit order.

    Returns:
        Labels by folder, in the order of the logits, and the groups; None where label k is
        logit k for all logits.

    Raises:
        UserError: if a folder's number is beyond the logits, or no folder means any.
    """
    meaning = {folder: _logits(folder, naming, classes) for folder in folders}
    kept = sorted((folder for folder in meaning if meaning[folder]), key=meaning.__getitem__)
    if not kept:
        raise UserError(f"none of the {len(meaning)} class folders is a class of the network")
    groups = tuple(meaning[folder] for folder in kept)
    whole = groups == tuple((k,) for k in range(len(classes)))
    return {folder: label for label, folder in enumerate(kept)}, None if whole else groups


def _logits(folder: str, naming: Naming, classes: Sequence[str]) -> tuple[int, ...]:
    """The logits that mean a folder, in ascending order."""
    if naming == "number":
        if int(folder) >= len(classes):
            raise UserError(f"class folder {folder}: the network has only {len(classes)} classes")
        return (int(folder),)
    wnids = objectnet()[folder] if naming == "objectnet" else (folder,)
    return tuple(sorted(classes.index(wnid) for wnid in wnids if wnid in classes))
