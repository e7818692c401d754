"""All stand-in data sets, and those for Hammoud et al. (2023) in their publishers' formats.

For the latter, random measurements replace Abalone, the digits of `shifts` Fashion-MNIST, and a
random graph Cora.
"""

from __future__ import annotations

import gzip
import pickle
import struct
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from shutil import rmtree

import numpy as np
from numpy.typing import NDArray

from sharpness.data.registry import downloads
from sharpness.data.small import ABALONE_ROWS, VALIDATION
from sharpness.io.download import download_named, place
from sharpness.io.files import atomic, digest, read_json, sha256, write_json
from sharpness.mini.photo_files import write_photos
from sharpness.mini.sentences import write_sentences
from sharpness.mini.shifts import digits_of

SEED = 0

SCALE, BORDER = 3, 2
"""A digit of 8 × 8 pixels is enlarged by this factor and padded by so many black pixels."""

TOPICS, WORDS = 7, 210
LABELLED, TESTED = 20 * TOPICS, 360
CITATIONS = 2.0
"""Edges per node."""
LOYAL = 0.8
"""Share of edges within a topic; 0.81 in Cora."""
OWN, OTHER = 0.14, 0.04
"""Probability that a paper contains a word of its own topic, or another word."""

_LISTED = "made.json"
"""File with the digests of the stand-ins from which ``cache`` was filled."""


def write_data(own: Path) -> dict[str, str]:
    """Write all stand-in data sets to ``own/folders`` and ``own/mirror``; return their `digests`.

    ``own/cache``, which holds downloads from the mirror, is removed if the stand-ins changed.
    """
    for name in ("folders", "mirror"):
        rmtree(own / name, ignore_errors=True)
    write_photos(own)
    write_sentences(own / "mirror")
    write_small_sets(own / "mirror")
    made = digests(own)
    if not (own / _LISTED).exists() or read_json(own / _LISTED) != made:
        rmtree(own / "cache", ignore_errors=True)
        write_json(own / _LISTED, made)
    return made


def digests(own: Path) -> dict[str, str]:
    """Return a digest of each stand-in by its path below ``own``: a file or a folder of photos.

    The digest of a file is its SHA-256.
    """
    files = [path for path in (own / "mirror").rglob("*") if path.is_file()]
    return {
        str(path.relative_to(own)): _digest(path)
        for path in sorted([*(own / "folders").glob("*"), *files])
    }


def _digest(path: Path) -> str:
    if path.is_file():
        return sha256(path)
    return digest({str(p.relative_to(path)): sha256(p) for p in path.rglob("*") if p.is_file()})


def write_small_sets(mirror: Path) -> None:
    """Write the stand-ins as ``HOST/PATH`` of the publishers; each call writes the same bytes."""
    for name, files in (
        ("abalone", abalone_files()),
        ("fashion-mnist", fashion_mnist_files()),
        ("cora", cora_files()),
    ):
        for row, content in zip(downloads(name), files, strict=True):
            with atomic(mirror / place(download_named(row).url)) as temporary:
                temporary.write_bytes(content)


def abalone_files() -> list[bytes]:
    """Return ``abalone.data``: sizes and weights that grow with the rings, with noise."""
    random = np.random.default_rng([SEED, 0])
    rings = np.clip(np.rint(np.exp(random.normal(2.25, 0.3, ABALONE_ROWS))), 1, 29)
    # The log of length relative to its mean.
    size = 0.45 * np.log(rings / 9.5) + random.normal(0, 0.15, ABALONE_ROWS)
    length, diameter, height = (
        mean * np.exp(size + random.normal(0, 0.05, ABALONE_ROWS)) for mean in (0.5, 0.4, 0.13)
    )
    weights = [
        mean * np.exp(3 * size + age * np.log(rings / 9.5) + random.normal(0, 0.15, ABALONE_ROWS))
        for mean, age in ((0.7, 0.0), (0.3, -0.2), (0.15, 0.0), (0.2, 0.3))
    ]
    grown = random.random(ABALONE_ROWS) < 1 / (1 + np.exp(-8 * size - 1))
    sex = np.where(grown, np.where(random.random(ABALONE_ROWS) < 0.5, "M", "F"), "I")
    columns = zip(sex, length, diameter, height, *weights, rings, strict=True)
    lines = (f"{s},{','.join(f'{x:.4f}' for x in numbers)},{r:.0f}\n" for s, *numbers, r in columns)
    return ["".join(lines).encode()]


def fashion_mnist_files() -> list[bytes]:
    """Return the files of Fashion-MNIST: training images and labels, test images and labels."""
    files = []
    for part in ("train", "test"):
        found = digits_of(part)
        images = np.kron(found.pixels, np.ones((1, SCALE, SCALE), np.uint8))
        files += [_idx(np.pad(images, ((0, 0), *[(BORDER, BORDER)] * 2))), _idx(found.labels)]
    return files


def _idx(array: NDArray[np.generic]) -> bytes:
    """Return a gzipped IDX file of uint8 without a date."""
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    content = bytes((0, 0, 8, array.ndim)) + sizes + array.astype(np.uint8).tobytes()
    return gzip.compress(content, mtime=0)


def cora_files() -> list[bytes]:
    """Return Planetoid's eight files for a stochastic block model; words depend on the topic."""
    from scipy.sparse import csr_matrix

    random = np.random.default_rng([SEED, 1])
    known_nodes = LABELLED + VALIDATION
    nodes = known_nodes + TESTED
    topics = np.concatenate([np.arange(LABELLED), random.integers(TOPICS, size=nodes - LABELLED)])
    topics %= TOPICS
    own = np.arange(WORDS) % TOPICS == topics[:, None]
    words = (random.random((nodes, WORDS)) < np.where(own, OWN, OTHER)).astype(np.float32)
    labels = np.eye(TOPICS, dtype=np.int32)[topics]
    order = known_nodes + random.permutation(TESTED)
    parts = {
        "x": csr_matrix(words[:LABELLED]),
        "y": labels[:LABELLED],
        "tx": csr_matrix(words[order]),
        "ty": labels[order],
        "allx": csr_matrix(words[:known_nodes]),
        "ally": labels[:known_nodes],
        "graph": _neighbours(topics, random),
    }
    pickled = [pickle.dumps(part, protocol=4) for part in parts.values()]
    return [*pickled, "".join(f"{node}\n" for node in order).encode()]


def _neighbours(topics: NDArray[np.int64], random: np.random.Generator) -> Mapping[int, list[int]]:
    """Draw edges; return, for each node, those that it cites or is cited by."""
    found: dict[int, list[int]] = defaultdict(list, {node: [] for node in range(len(topics))})
    for _ in range(round(CITATIONS * len(topics))):
        one = int(random.integers(len(topics)))
        alike = topics == topics[one] if random.random() < LOYAL else topics != topics[one]
        other = int(random.choice(np.flatnonzero(alike)))
        found[one].append(other)
        found[other].append(one)
    return found
