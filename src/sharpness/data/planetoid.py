"""Cora (Sen et al., 2008) as Planetoid (Yang et al., 2016) published and split it.

The first nodes are the labelled ones of ``x``, the next 500 are for validation. The rows of
``allx`` are all nodes but the test nodes; ``tx`` holds these in the order of ``test.index``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharpness.data.pickle_file import check_digest, unpickle
from sharpness.data.unpack import read_small_file

VALIDATION = 500
_INSTEAD = "get it from https://github.com/kimiyoung/planetoid"

Integers = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Graph:
    """A citation graph of papers.

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
    """Read the graph and its split.

    ``files`` are ``ind.cora.`` x, y, tx, ty, allx, ally, graph and test.index; ``pinned`` are their
    digests, as for `sharpness.data.pickle_file.check_digest`.

    Raises:
        UserError: if a file cannot be read or has another digest.
    """
    _, y, tx, ty, allx, ally, neighbours = map(_unpickled, files[:-1], pinned[:-1])
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


def _unpickled(path: Path, pinned: str) -> Any:
    return unpickle(read_small_file(path), str(path), pinned, _INSTEAD)


def _edges(neighbours: Mapping[int, Sequence[int]]) -> Integers:
    """Return each edge in both directions, once, without loops: (2, E)."""
    pairs = [(node, other) for node, others in neighbours.items() for other in others]
    edges = np.array([pair for pair in pairs if pair[0] != pair[1]])
    return np.ascontiguousarray(np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0).T)
