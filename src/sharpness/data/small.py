"""Small data sets that are read whole: digits, Abalone, Fashion-MNIST, Cora.

The digits, 1,797 grey images of 8 × 8, ship with scikit-learn and are the data of scale mini. Five
corruptions of the test images replace CIFAR-10-C. Their kinds are those of Hendrycks & Dietterich
(2019): noise, blur, contrast, occlusion, geometry; their strengths are this project's own, chosen
so that a good small network errs on roughly 15 to 50 % of the images.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from sharpness.data.images import Images
from sharpness.data.unpack import check_digest, read_small_file, unpickle
from sharpness.io.errors import UserError

TRAIN = 1000
SPLIT_SEED = 0


def digits(split: str) -> Images:
    """Return the 1,000 training or 797 test digits of a split drawn with a fixed seed.

    The source's 17 levels are spread over 0 to 255; mean and deviation are the training images'.
    """
    table = np.loadtxt(_source(), delimiter=",")  # (1797, 65): 64 pixels and the label
    levels = np.rint(table[:, :-1] * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(table))
    train = levels[order[:TRAIN]]
    chosen = order[:TRAIN] if split == "train" else order[TRAIN:]
    return Images(
        pixels=torch.from_numpy(levels[chosen]),
        labels=torch.from_numpy(table[chosen, -1].astype(np.int64)),
        mean=(float(train.mean() / 255),),
        std=(float(train.std() / 255),),
        flip=False,
        title="digits",
        classes=10,
    )


def _source() -> Path:
    """Return the path of the file: importing scikit-learn takes longer than training a model."""
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise UserError("digits: scikit-learn, which ships them, is not installed")
    return Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"


SEED = 0

Array = NDArray[np.float64]


def digits_c() -> Images:
    """Return the test digits under each corruption in turn: 5 × 797 images, with a fixed seed."""
    clean = digits("test")
    values = clean.pixels[:, 0].numpy().astype(np.float64)
    random = np.random.default_rng(SEED)
    corrupted = [corrupt(values, random) for corrupt in CORRUPTIONS.values()]
    pixels = np.concatenate(corrupted).clip(0, 255).round().astype(np.uint8)
    return replace(
        clean,
        pixels=torch.from_numpy(pixels[:, None]),
        labels=clean.labels.repeat(len(CORRUPTIONS)),
        title="digits-c",
    )


def gaussian_noise(values: Array, random: np.random.Generator) -> Array:
    """Add independent noise to every pixel."""
    return values + random.normal(0, 70, values.shape)


def blur(values: Array, random: np.random.Generator) -> Array:
    """Smooth by a Gaussian kernel of 0.8 pixels."""
    return ndimage.gaussian_filter(values, (0, 0.8, 0.8))


def contrast(values: Array, random: np.random.Generator) -> Array:
    """Reduce the contrast about a fixed grey to three fifths."""
    return 100 + (values - 100) * 0.6


def occlusion(values: Array, random: np.random.Generator) -> Array:
    """Draw a white square of 3 × 3 pixels at a random place on each image."""
    covered = values.copy()
    for image, (y, x) in zip(covered, random.integers(0, 6, (len(values), 2)), strict=True):
        image[y : y + 3, x : x + 3] = 255
    return covered


def rotation(values: Array, random: np.random.Generator) -> Array:
    """Rotate each image by 22 degrees to a random side."""
    signs = random.choice([-1, 1], len(values))
    turned = [
        ndimage.rotate(image, 22 * sign, reshape=False, order=1)
        for image, sign in zip(values, signs, strict=True)
    ]
    return np.stack(turned)


_KINDS = (gaussian_noise, blur, contrast, occlusion, rotation)
CORRUPTIONS = {corrupt.__name__: corrupt for corrupt in _KINDS}


ABALONE_ROWS = 4177
SEXES = ("M", "F", "I")
"""Male, female, infant: the first column, in the order of its indicators."""
MEASUREMENTS = 7


@dataclass(frozen=True)
class Abalone:
    """The Abalone table, in file order.

    Attributes:
        features: (n, 10), float64: seven unscaled measurements, then the indicators of `SEXES`.
        rings: (n,), float64 whole numbers, the target.
    """

    features: NDArray[np.float64]
    rings: NDArray[np.float64]


def read_abalone(files: Sequence[Path]) -> Abalone:
    """Read the whole table from ``abalone.data``, the one file in ``files``.

    Raises:
        UserError: if the file cannot be read, does not have 4,177 rows, or has a line that is not a
            sex, seven measurements and a number of rings.
    """
    (path,) = files
    lines = read_small_file(path).decode("latin1").splitlines()
    rows = np.array([_shell(line, f"{path}, line {i}") for i, line in enumerate(lines, 1)])
    if len(rows) != ABALONE_ROWS:
        raise UserError(f"{path}: has {len(rows)} rows, not {ABALONE_ROWS}; fetch it again")
    return Abalone(features=rows[:, :-1].copy(), rings=rows[:, -1].copy())


def _shell(line: str, place: str) -> list[float]:
    sex, *numbers = line.strip().split(",")
    try:
        *measured, rings = map(float, numbers)
    except ValueError:
        measured, rings = [], 0.0
    whole = len(measured) == MEASUREMENTS and np.isfinite(measured).all() and min(measured) >= 0
    if sex not in SEXES or not whole or rings < 1 or not rings.is_integer():
        raise UserError(f"{place}: is no sex (M, F or I), 7 measurements and rings: {line[:60]!r}")
    return [*measured, *(float(sex == other) for other in SEXES), rings]


SIDE = 28
FASHION_CLASSES = 10

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class FashionMnist:
    """Images and labels of Fashion-MNIST, in file order, all uint8.

    Attributes:
        train_images: (60000, 28, 28); ``test_images``: (10000, 28, 28).
        train_labels: (60000,), 0 to 9; ``test_labels``: (10000,).
    """

    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes


def read_fashion_mnist(files: Sequence[Path]) -> FashionMnist:
    """Read all images from training images, training labels, test images, test labels (``.gz``).

    Raises:
        UserError: if a file cannot be read, is cut off or is not IDX, or images and labels do not
            match.
    """
    train_images, train_labels, test_images, test_labels = files
    return FashionMnist(*_part(train_images, train_labels), *_part(test_images, test_labels))


def _part(images: Path, labels: Path) -> tuple[Bytes, Bytes]:
    """Read images (n, 28, 28) and their labels (n,)."""
    pixels, classes = _idx(images, dimensions=3), _idx(labels, dimensions=1)
    if pixels.shape[1:] != (SIDE, SIDE):
        raise UserError(f"{images}: holds images of {pixels.shape[1]} × {pixels.shape[2]}, not 28²")
    if len(classes) != len(pixels):
        raise UserError(f"{labels}: holds {len(classes)} labels for {len(pixels)} images")
    if not len(classes) or classes.max() >= FASHION_CLASSES:
        raise UserError(f"{labels}: holds no labels, or others than 0 to {FASHION_CLASSES - 1}")
    return pixels, classes


def _idx(path: Path, dimensions: int) -> Bytes:
    """Read an IDX file: two zeros, type 8 (bytes), dimensions, sizes, then the values."""
    content = read_small_file(path)
    start = 4 + 4 * dimensions
    if content[:4] != bytes((0, 0, 8, dimensions)) or len(content) < start:
        raise UserError(f"{path}: is no IDX file of bytes in {dimensions} dimensions")
    sizes = struct.unpack(f">{dimensions}I", content[4:start])
    if len(content) - start != math.prod(sizes):
        raise UserError(
            f"{path}: holds {len(content) - start} values, and says that it holds "
            f"{' × '.join(map(str, sizes))}; fetch it again"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(sizes).copy()


VALIDATION = 500  # nodes, which follow the labelled ones
_INSTEAD = "get it from https://github.com/kimiyoung/planetoid"

Integers = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Graph:
    """A citation graph of papers, Cora (Sen et al., 2008).

    Attributes:
        features: (nodes, words) = (2708, 1433), float32, 0 or 1.
        labels: (nodes,), the topic, 0 to 6.
        edges: (2, E), from and to; each edge in both directions, no loops, ascending: E = 10,556.
        train: 140 nodes; ``validation``: 500; ``test``: 1,000, ascending.
    """

    features: Floats
    labels: Integers
    edges: Integers
    train: Integers
    validation: Integers
    test: Integers


def read_planetoid(files: Sequence[Path], pinned: Sequence[str]) -> Graph:
    """Read Cora and its split as Planetoid (Yang et al., 2016) published them.

    ``files`` are ``ind.cora.`` x, y, tx, ty, allx, ally, graph and test.index; ``pinned`` are their
    digests, as for `sharpness.data.unpack.check_digest`. The first nodes are the labelled ones of
    x; the rows of allx are all nodes but the test nodes, which tx has in the order of test.index.

    Raises:
        UserError: if a file cannot be read or has another digest.
    """
    _, y, tx, ty, allx, ally, neighbours = (
        unpickle(read_small_file(path), str(path), digest, _INSTEAD)
        for path, digest in zip(files[:-1], pinned[:-1], strict=True)
    )
    index = read_small_file(files[-1])
    check_digest(index, str(files[-1]), pinned[-1], _INSTEAD)
    order = np.array(index.split(), dtype=np.int64)  # (tests,), the node of each row of tx
    labelled, known = len(y), len(ally)
    features = np.concatenate([allx.toarray(), tx.toarray()]).astype(np.float32)
    labels = np.concatenate([ally, ty]).argmax(axis=1).astype(np.int64)
    features[order], labels[order] = features[known:].copy(), labels[known:].copy()
    return Graph(
        features=features,
        labels=labels,
        edges=_edges(neighbours),
        train=np.arange(labelled),
        validation=np.arange(labelled, labelled + VALIDATION),
        test=np.sort(order),
    )


def _edges(neighbours: Mapping[int, Sequence[int]]) -> Integers:
    """Return each edge in both directions, once, without loops: (2, E)."""
    pairs = [(node, other) for node, others in neighbours.items() for other in others]
    edges = np.array([pair for pair in pairs if pair[0] != pair[1]])
    return np.ascontiguousarray(np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0).T)
