"""CIFAR-10 (Krizhevsky, 2009): the published archive, or a prepared array file in its place."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sharpness.data.contents import bounded
from sharpness.data.decoding import opened
from sharpness.data.images import Images
from sharpness.data.members import BATCHES, members
from sharpness.data.pickles import unpickle
from sharpness.data.places import PREPARED, TITLES
from sharpness.downloads.fetch import known
from sharpness.numpyfiles import read_npz
from sharpness.problem import Problem

MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2023, 0.1994, 0.2010)
"""The normalization of the authors' code."""

CLASSES = 10
PARTS = ("images", "label", "is_test", "bytes", "offset")
"""Arrays of a prepared file that are looked at."""
_LARGEST = 1 << 29  # bytes of a prepared file, unpacked; the images have 184 million

_INSTEAD = f"get {known('cifar10').url}, or name a prepared array file (.npz) in data.cifar10.file"

Array = NDArray[Any]


def images(pixels: Array, labels: Array, title: str) -> Images:
    """Images with CIFAR-10's constants.

    Args:
        pixels: (n, 32, 32, 3), uint8, as most files hold them.
        labels: (n,).
        title: what to call the set.
    """
    return Images(
        pixels=torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))),
        labels=torch.from_numpy(labels.astype(np.int64)),
        mean=MEAN,
        std=STD,
        flip=True,
        title=title,
        classes=CLASSES,
    )


def published(files: Sequence[Path], split: str, digests: Mapping[str, str] = BATCHES) -> Images:
    """The training or test images of the published archive, in its order.

    Args:
        files: the archive, or its members unpacked.
        split: ``train`` or ``test``.
        digests: MD5 of each member.

    Raises:
        Problem: if a member is missing or is another than the published one.
    """
    wanted = sorted(name for name in digests if name.startswith("data") == (split == "train"))
    found = {}
    for name, stream in members(files, wanted):
        source = f"{files[0]}: {name}"
        found[name] = unpickle(bounded(stream, source), source, f"md5 {digests[name]}", _INSTEAD)
    planes = np.concatenate([found[name]["data"] for name in wanted]).reshape(-1, 3, 32, 32)
    labels = np.concatenate([found[name]["labels"] for name in wanted])
    return images(planes.transpose(0, 2, 3, 1), labels, TITLES["cifar10"])


def prepared(path: Path, split: str) -> Images:
    """The training or test images of a prepared ``.npz`` file, in its order.

    Args:
        path: holds ``label`` (n,) and ``is_test`` (n,), and either ``images`` (n, 32, 32, 3) uint8
            or, packed, ``bytes`` (all image files end to end) and ``offset`` (n + 1,).
        split: ``train`` or ``test``.

    Raises:
        Problem: if the file holds anything else.
    """
    try:
        arrays = read_npz(path, _LARGEST, PARTS)
        labels, packed = arrays["label"], "bytes" in arrays
        chosen = np.flatnonzero(arrays["is_test"].astype(bool) == (split == "test"))
        if packed:
            pixels = _decode(arrays["bytes"], arrays["offset"], chosen)
        else:
            pixels = arrays["images"][chosen]
        _check(pixels, labels[chosen])
    except Problem:
        raise
    except (KeyError, TypeError, ValueError, IndexError, OSError) as error:
        raise Problem(f"{path}: is no prepared array file ({error})") from error
    return images(pixels, labels[chosen], PREPARED[packed])


def _check(pixels: Array, labels: Array) -> None:
    """Refuse arrays that are not 8-bit colour images of 32 × 32 with their labels."""
    if pixels.dtype != np.uint8 or pixels.shape != (len(pixels), 32, 32, 3):
        raise ValueError(f"pixels are {pixels.dtype} of shape {pixels.shape}")
    if labels.shape != (len(pixels),) or labels.dtype.kind not in "ui":
        raise ValueError(f"labels are {labels.dtype} of shape {labels.shape}")
    check_labels(labels)


def check_labels(labels: Array) -> None:
    """Refuse numbers that are no classes, while it is known which file they are from."""
    if len(labels) and not 0 <= labels.min() <= labels.max() < CLASSES:
        raise ValueError(f"labels are {labels.min()} to {labels.max()}, not 0 to {CLASSES - 1}")


def _decode(content: Array, offset: Array, chosen: Array) -> Array:
    """Decode the chosen ones of many image files that lie end to end, (k, 32, 32, 3)."""
    if content.dtype != np.uint8 or content.ndim != 1 or offset.dtype.kind not in "ui":
        raise ValueError(f"bytes are {content.dtype}, offsets {offset.dtype}")
    pixels = np.empty((len(chosen), 32, 32, 3), np.uint8)
    for row, i in enumerate(chosen):
        with opened(io.BytesIO(content[offset[i] : offset[i + 1]].tobytes())) as image:
            if image.size != (32, 32):
                raise ValueError(f"image {i} is of size {image.size}")
            pixels[row] = np.asarray(image.convert("RGB"))
    return pixels
