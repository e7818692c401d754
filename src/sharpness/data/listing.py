"""Image files in folders, one folder a class, in the order in which others number them."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sharpness.problem import Problem

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
        Problem: if one of them has no image.
    """
    for name in classes:
        with os.scandir(folder / name) as entries:
            visible = (e.name for e in entries if not e.name.startswith("."))
            images = sorted(n for n in visible if n.lower().endswith(SUFFIXES))
        if not images:
            raise Problem(f"{folder / name}: has no images; fetch it again, or remove the folder")
        yield from (f"{name}/{image}" for image in images)


def sized(folder: Path, names: Iterable[str]) -> Iterator[File]:
    """Each image with its size.

    Raises:
        Problem: if one is not there, or is no file: who opens a pipe waits for ever.
    """
    for name in names:
        try:
            found = os.stat(folder / name)
        except FileNotFoundError:
            raise Problem(f"{folder / name}: no such image; the folder has changed") from None
        if not stat.S_ISREG(found.st_mode):
            raise Problem(f"{folder / name}: is no file; remove it")
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
