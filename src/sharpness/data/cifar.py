"""CIFAR-10 (Krizhevsky, 2009) and CIFAR-10-C (Hendrycks & Dietterich, 2019).

CIFAR-10 is read from the published archive or from a prepared array file. In CIFAR-10-C each
corruption is one array of five blocks, severities 1 to 5, and each block is the whole test set in
the same order; rows are read directly from the archive, without unpacking it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray

from sharpness.data.images import Images
from sharpness.data.locate import PREPARED
from sharpness.data.photos import open_image
from sharpness.data.registry import TITLES
from sharpness.data.unpack import BATCHES, CORRUPTIONS, LABELS, members, read_bounded, unpickle
from sharpness.io.archive import read_header, read_npz
from sharpness.io.download import download_named
from sharpness.io.errors import UserError

MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2023, 0.1994, 0.2010)
"""Normalization constants of the authors' code."""

CLASSES = 10
PARTS = ("images", "label", "is_test", "bytes", "offset")
"""Arrays that are read from a prepared file."""
_LARGEST = 1 << 29  # limit on the unpacked bytes of a prepared file; the images have 184 million

_URL = download_named("cifar10").url
_INSTEAD = f"get {_URL}, or name a prepared array file (.npz) in data.cifar10.file"

Array = NDArray[Any]


def images(pixels: Array, labels: Array, title: str) -> Images:
    """Build a data set with CIFAR-10's constants from pixels (n, 32, 32, 3) and labels (n,)."""
    return Images(
        pixels=torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))),
        labels=torch.from_numpy(labels.astype(np.int64)),
        mean=MEAN,
        std=STD,
        flip=True,
        title=title,
        classes=CLASSES,
    )


def read_archive(files: Sequence[Path], split: str, digests: Mapping[str, str] = BATCHES) -> Images:
    """Return the training or test images of the published archive, in its order.

    ``files`` is the archive, or its unpacked members; ``digests`` holds the MD5 of each member.

    Raises:
        UserError: if a member is missing or differs from the published one.
    """
    wanted = sorted(name for name in digests if name.startswith("data") == (split == "train"))
    found = {}
    for name, stream in members(files, wanted):
        source = f"{files[0]}: {name}"
        found[name] = unpickle(
            read_bounded(stream, source), source, f"md5 {digests[name]}", _INSTEAD
        )
    planes = np.concatenate([found[name]["data"] for name in wanted]).reshape(-1, 3, 32, 32)
    labels = np.concatenate([found[name]["labels"] for name in wanted])
    return images(planes.transpose(0, 2, 3, 1), labels, TITLES["cifar10"])


def read_prepared(path: Path, split: str) -> Images:
    """Return the training or test images of a prepared ``.npz`` file, in its order.

    It holds ``label`` (n,) and ``is_test`` (n,), and either ``images`` (n, 32, 32, 3) uint8 or,
    packed, ``bytes`` (all image files end to end) and ``offset`` (n + 1,).

    Raises:
        UserError: if the file does not hold these arrays.
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
    except UserError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, OSError) as error:
        raise UserError(f"{path}: is no prepared array file ({error})") from error
    return images(pixels, labels[chosen], PREPARED[packed])


def _check(pixels: Array, labels: Array) -> None:
    if pixels.dtype != np.uint8 or pixels.shape != (len(pixels), 32, 32, 3):
        raise ValueError(f"pixels are {pixels.dtype} of shape {pixels.shape}")
    if labels.shape != (len(pixels),) or labels.dtype.kind not in "ui":
        raise ValueError(f"labels are {labels.dtype} of shape {labels.shape}")
    check_labels(labels)


def check_labels(labels: Array) -> None:
    """Raise ValueError if a label is not 0 to 9; the caller adds the name of the file."""
    if len(labels) and not 0 <= labels.min() <= labels.max() < CLASSES:
        raise ValueError(f"labels are {labels.min()} to {labels.max()}, not 0 to {CLASSES - 1}")


def _decode(content: Array, offset: Array, chosen: Array) -> Array:
    """Decode the chosen ones of many image files that lie end to end: (k, 32, 32, 3)."""
    if content.dtype != np.uint8 or content.ndim != 1 or offset.dtype.kind not in "ui":
        raise ValueError(f"bytes are {content.dtype}, offsets {offset.dtype}")
    pixels = np.empty((len(chosen), 32, 32, 3), np.uint8)
    for row, i in enumerate(chosen):
        with open_image(io.BytesIO(content[offset[i] : offset[i + 1]].tobytes())) as image:
            if image.size != (32, 32):
                raise ValueError(f"image {i} is of size {image.size}")
            pixels[row] = np.asarray(image.convert("RGB"))
    return pixels


TEST = 10_000
"""Images per corruption and severity."""
SEVERITIES = 5
SHAPE = (32, 32, 3)


def read_cifar10c_selection(
    files: Sequence[Path], test: int = TEST, first: int = 1_000, kept: int = 10_000
) -> Images:
    """Return the authors' selection: 10,000 images of 15 corruptions at severity 5.

    The ``first`` images of each corruption (of ``test`` per severity) are shuffled together as in
    the released code, with NumPy's seed 0; the first ``kept`` of these are returned. ``files`` is
    the archive, or its unpacked members.

    Raises:
        UserError: if a member is missing or has another shape.
    """
    start = (SEVERITIES - 1) * test
    pixels, labels = _rows(files, test, slice(start, start + first))
    order = np.random.RandomState(0).permutation(len(labels))[:kept]
    return images(pixels[order], labels[order], TITLES["cifar10-c"])


def read_cifar10c(files: Sequence[Path], test: int = TEST) -> Images:
    """Return 15 corruptions at all five severities (750,000 images, 2.3 GB)."""
    pixels, labels = _rows(files, test, slice(0, SEVERITIES * test))
    return images(pixels, labels, TITLES["cifar10-c-whole"])


def _rows(files: Sequence[Path], test: int, rows: slice) -> tuple[Array, Array]:
    """Read the same rows of all corruptions in turn: pixels (n, 32, 32, 3), labels (n,)."""
    size = rows.stop - rows.start
    # In memory, channels come before rows and columns, as in the tensor: this avoids a copy.
    pixels = np.empty((len(CORRUPTIONS), size, 3, 32, 32), np.uint8).transpose(0, 1, 3, 4, 2)
    labels = np.empty(0, np.int64)
    for name, stream in members(files, (*CORRUPTIONS, LABELS)):
        source = f"{files[0]}: {name}"
        if name == LABELS:
            labels = _part(stream, SEVERITIES * test, (), rows, source)
            try:
                check_labels(labels)
            except ValueError as error:
                raise UserError(f"{source}: {error}; fetch it again") from error
        else:
            part = _part(stream, SEVERITIES * test, SHAPE, rows, source)
            pixels[CORRUPTIONS.index(name)] = part
    planes = pixels.transpose(0, 1, 4, 2, 3).reshape(-1, 3, 32, 32)
    return planes.transpose(0, 2, 3, 1), np.tile(labels, len(CORRUPTIONS))


def _part(
    stream: IO[bytes], length: int, shape: tuple[int, ...], rows: slice, source: str
) -> Array:
    """Read some rows of an ``.npy`` stream without reading the others."""
    found, columns_first, dtype = read_header(stream, source)
    typed = dtype == np.uint8 if shape else dtype.kind in "ui"
    if found != (length, *shape) or columns_first or not typed:
        kind = "uint8" if shape else "integers"
        raise UserError(f"{source}: is {dtype} of shape {found}, not {kind} of {(length, *shape)}")
    width = dtype.itemsize * int(np.prod(shape))
    stream.seek(rows.start * width, 1)
    content = stream.read((rows.stop - rows.start) * width)
    if len(content) != (rows.stop - rows.start) * width:
        raise UserError(f"{source}: ends too early; fetch it again")
    return np.frombuffer(content, dtype).reshape(-1, *shape)
