"""Fashion-MNIST (Xiao et al., 2017): 70,000 grey images of clothes in MNIST's own file format."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sharpness.data.contents import contents
from sharpness.problem import Problem

SIDE = 28
CLASSES = 10

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class FashionMnist:
    """Images and their classes, in the files' order.

    Attributes:
        train_images: (60000, 28, 28), uint8.
        train_labels: (60000,), uint8, 0 to 9.
        test_images: (10000, 28, 28), uint8.
        test_labels: (10000,), uint8, 0 to 9.
    """

    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes


def read(files: Sequence[Path]) -> FashionMnist:
    """All images.

    Args:
        files: training images, training labels, test images, test labels, each an ``.gz`` file.

    Raises:
        Problem: if one cannot be read, is cut off or is not in the format, or if images and labels
            do not belong together.
    """
    train_images, train_labels, test_images, test_labels = files
    return FashionMnist(*_part(train_images, train_labels), *_part(test_images, test_labels))


def _part(images: Path, labels: Path) -> tuple[Bytes, Bytes]:
    """Images (n, 28, 28) and their labels (n,)."""
    pixels, classes = _idx(images, dimensions=3), _idx(labels, dimensions=1)
    if pixels.shape[1:] != (SIDE, SIDE):
        raise Problem(f"{images}: holds images of {pixels.shape[1]} × {pixels.shape[2]}, not 28²")
    if len(classes) != len(pixels):
        raise Problem(f"{labels}: holds {len(classes)} labels for {len(pixels)} images")
    if not len(classes) or classes.max() >= CLASSES:
        raise Problem(f"{labels}: holds no labels, or others than 0 to {CLASSES - 1}")
    return pixels, classes


def _idx(path: Path, dimensions: int) -> Bytes:
    """The array of an IDX file: two zeros, type 8 (bytes), dimensions, sizes, then the values."""
    content = contents(path)
    start = 4 + 4 * dimensions
    if content[:4] != bytes((0, 0, 8, dimensions)) or len(content) < start:
        raise Problem(f"{path}: is no IDX file of bytes in {dimensions} dimensions")
    sizes = struct.unpack(f">{dimensions}I", content[4:start])
    if len(content) - start != math.prod(sizes):
        raise Problem(
            f"{path}: holds {len(content) - start} values, and says that it holds "
            f"{' × '.join(map(str, sizes))}; fetch it again"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(sizes).copy()
