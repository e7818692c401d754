"""Small data like those of Hammoud et al. (2023), and streams of random numbers."""

from __future__ import annotations

import gzip
import struct
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharpness.data.small import Abalone, FashionMnist, Graph
from sharpness.studies.hammoud.stacks import Purpose, generator

NODES, WORDS, TOPICS = 200, 30, 3
IMAGES = 72


@cache
def shells(n: int = 171) -> Abalone:
    """A table like Abalone: seven correlated measurements, three sexes, rings."""
    rng = np.random.default_rng(0)
    age = rng.gamma(9, 1, n)
    measurements = np.log(age)[:, None] * rng.uniform(0.1, 1, 7) + 0.2 * rng.normal(size=(n, 7))
    sexes = np.eye(3)[rng.integers(3, size=n)]
    return Abalone(np.column_stack([measurements, sexes]), np.ceil(age))


@cache
def papers() -> Graph:
    """A graph like Cora: papers of a topic share words and cite each other."""
    rng = np.random.default_rng(0)
    labels = rng.integers(TOPICS, size=NODES)
    topical = np.arange(WORDS) % TOPICS == labels[:, None]
    features = (rng.random((NODES, WORDS)) < np.where(topical, 0.3, 0.1)).astype(np.float32)
    features[:, 0] = 1
    same = labels[:, None] == labels
    linked = np.triu(rng.random((NODES, NODES)) < np.where(same, 0.015, 0.002), 1)
    edges = np.array(np.nonzero(linked | linked.T))
    nodes = rng.permutation(NODES)
    return Graph(features, labels, edges, nodes[:70], nodes[70:80], nodes[80:180])


@cache
def clothes() -> FashionMnist:
    """Ten classes of noisy stripes, in the shape of Fashion-MNIST."""
    draws = np.random.default_rng(0)

    def part(n: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        labels = draws.integers(10, size=n).astype(np.uint8)
        pixels = draws.integers(100, size=(n, 28, 28)).astype(np.uint8)
        for image, label in zip(pixels, labels, strict=True):
            image[2 + 2 * label : 5 + 2 * label] += 80
        return pixels, labels

    return FashionMnist(*part(IMAGES), *part(50))


def generators(models: int | list[int], purpose: Purpose) -> list[np.random.Generator]:
    """A stream for each of so many models, or of these."""
    return [generator(0, k, purpose) for k in (range(models) if type(models) is int else models)]


def idx(array: Any) -> bytes:
    array = np.asarray(array, np.uint8)
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes((0, 0, 8, array.ndim)) + sizes + array.tobytes()


def packed(content: bytes) -> bytes:
    """Without the time, so that every process collects tests of the same names."""
    return gzip.compress(content, mtime=0)


def fashion_files(tmp_path: Path, **changed: bytes) -> list[Path]:
    """Seven training and three test images; ``labels=b"..."`` changes the training labels' file."""
    rng = np.random.default_rng(0)
    arrays = {
        "images": rng.integers(0, 256, (7, 28, 28)),
        "labels": range(7),
        "test_images": rng.integers(0, 256, (3, 28, 28)),
        "test_labels": [9] * 3,
    }
    files = []
    for name, array in arrays.items():
        path = tmp_path / f"{name}.gz"
        path.write_bytes(changed.get(name, packed(idx(array))))
        files.append(path)
    return files
