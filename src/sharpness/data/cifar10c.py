"""CIFAR-10-C (Hendrycks & Dietterich, 2019): corrupted test images, in two selections.

Each corruption is one array of five blocks, severities 1 to 5, each block the whole test set in the
same order. Rows are read from the archive where they lie; nothing is unpacked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from sharpness.data.cifar10 import check_labels, images
from sharpness.data.images import Images
from sharpness.data.members import CORRUPTIONS, LABELS, members
from sharpness.data.places import TITLES
from sharpness.numpyfiles import read_header
from sharpness.problem import Problem

TEST = 10_000
"""Images of each corruption and severity."""
SEVERITIES = 5
SHAPE = (32, 32, 3)

Array = NDArray[Any]


def paper(
    files: Sequence[Path], test: int = TEST, first: int = 1_000, kept: int = 10_000
) -> Images:
    """The authors' selection: 10,000 images of 15 corruptions at severity 5.

    Of each corruption the first 1,000 test images; all of them shuffled as the released code does,
    with NumPy's seed 0; of these the first 10,000.

    Args:
        files: the archive, or its members unpacked.
        test: images per severity.
        first: images taken from each corruption.
        kept: images kept after the shuffle.

    Raises:
        Problem: if a member is missing or of another shape.
    """
    start = (SEVERITIES - 1) * test
    pixels, labels = _rows(files, test, slice(start, start + first))
    order = np.random.RandomState(0).permutation(len(labels))[:kept]
    return images(pixels[order], labels[order], TITLES["cifar10-c"])


def whole(files: Sequence[Path], test: int = TEST) -> Images:
    """15 corruptions at all five severities: 750,000 images, 2.3 GB.

    Args:
        files: the archive, or its members unpacked.
        test: images per severity.

    Raises:
        Problem: if a member is missing or of another shape.
    """
    pixels, labels = _rows(files, test, slice(0, SEVERITIES * test))
    return images(pixels, labels, TITLES["cifar10-c-whole"])


def _rows(files: Sequence[Path], test: int, rows: slice) -> tuple[Array, Array]:
    """The same rows of all corruptions one after the other: pixels (n, 32, 32, 3), labels (n,)."""
    size = rows.stop - rows.start
    # Planes of colour come first in memory, as the tensor wants them, so that no copy is made.
    pixels = np.empty((len(CORRUPTIONS), size, 3, 32, 32), np.uint8).transpose(0, 1, 3, 4, 2)
    labels = np.empty(0, np.int64)
    for name, stream in members(files, (*CORRUPTIONS, LABELS)):
        source = f"{files[0]}: {name}"
        if name == LABELS:
            labels = _part(stream, SEVERITIES * test, (), rows, source)
            try:
                check_labels(labels)
            except ValueError as error:
                raise Problem(f"{source}: {error}; fetch it again") from error
        else:
            part = _part(stream, SEVERITIES * test, SHAPE, rows, source)
            pixels[CORRUPTIONS.index(name)] = part
    planes = pixels.transpose(0, 1, 4, 2, 3).reshape(-1, 3, 32, 32)
    return planes.transpose(0, 2, 3, 1), np.tile(labels, len(CORRUPTIONS))


def _part(
    stream: IO[bytes], length: int, shape: tuple[int, ...], rows: slice, source: str
) -> Array:
    """Some rows of an array in NumPy's file format, without reading the others."""
    found, columns_first, dtype = read_header(stream, source)
    typed = dtype == np.uint8 if shape else dtype.kind in "ui"
    if found != (length, *shape) or columns_first or not typed:
        kind = "uint8" if shape else "integers"
        raise Problem(f"{source}: is {dtype} of shape {found}, not {kind} of {(length, *shape)}")
    width = dtype.itemsize * int(np.prod(shape))
    stream.seek(rows.start * width, 1)
    content = stream.read((rows.stop - rows.start) * width)
    if len(content) != (rows.stop - rows.start) * width:
        raise Problem(f"{source}: ends too early; fetch it again")
    return np.frombuffer(content, dtype).reshape(-1, *shape)
