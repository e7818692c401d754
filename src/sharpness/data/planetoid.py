"""Cora (Sen et al., 2008) as Planetoid (Yang et al., 2016) published and split it.

The first nodes are the labelled ones of ``x``, the next 500 are for validation; all nodes but the
test nodes are the rows of ``allx``; ``tx`` holds the test nodes in the order of ``test.index``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharpness.data.contents import contents
from sharpness.data.pickles import Sparse, unpickle
from sharpness.problem import Problem

VALIDATION = 500
LARGEST = 1 << 26
"""Numbers of a matrix: sixteen times Cora's, and a damaged shape takes no more memory than that."""

Integers = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Graph:
    """Papers, their words and who cites whom.

    Attributes:
        features: (nodes, words), float32, 0 or 1: (2708, 1433).
        labels: (nodes,), the topic, 0 to 6.
        edges: (2, E), from and to; each edge in both directions, no loops, ascending: E = 10,556.
        train: the 140 nodes to learn from.
        validation: 500 nodes.
        test: 1,000 nodes, ascending.
    """

    features: Floats
    labels: Integers
    edges: Integers
    train: Integers
    validation: Integers
    test: Integers


def read(files: Sequence[Path]) -> Graph:
    """The graph and its split.

    Args:
        files: ``ind.cora.`` x, y, tx, ty, allx, ally, graph and test.index.

    Raises:
        Problem: if one cannot be read, asks for anything to be run or is damaged, or if they do
            not belong together.
    """
    x, y, tx, ty, allx, ally, graph, index = files
    words, topics = _words(allx), _topics(ally)
    known, labelled = len(words), len(_topics(y))
    _agree(x, _words(x), words[:labelled])
    _agree(y, _topics(y), topics[:labelled])
    if labelled + VALIDATION > known or len(topics) != known:
        raise Problem(f"{allx}: has {known} rows, too few for {ally} and the split")
    features = np.concatenate([words, _same_width(tx, _words(tx), words)])
    labels = np.concatenate([topics, _topics(ty)])
    order = _order(index, known, len(features))
    if len(labels) != len(features):
        raise Problem(f"{ty}: has {len(labels) - known} rows, but {tx} {len(features) - known}")
    features[order], labels[order] = features[known:].copy(), labels[known:].copy()
    return Graph(
        features=features,
        labels=labels,
        edges=_edges(graph, len(features)),
        train=np.arange(labelled),
        validation=np.arange(labelled, labelled + VALIDATION),
        test=np.sort(order),
    )


def _words(path: Path) -> Floats:
    """The dense form of a pickled sparse matrix of zeros and ones, (rows, words)."""
    content = unpickle(contents(path), str(path))
    try:
        state = content.state if isinstance(content, Sparse) else {}
        rows, columns = state["_shape"]
        _demand(type(rows) is type(columns) is int and rows * columns <= LARGEST)
        starts, indices, values = (_numbers(state[k]) for k in ("indptr", "indices", "data"))
        _demand(starts.shape == (rows + 1,) and indices.shape == values.shape == (starts[-1],))
        _demand(starts.dtype.kind == indices.dtype.kind == "i" and starts[0] == 0)
        _demand((np.diff(starts) >= 0).all() and (values == 1).all())
        _demand(((indices >= 0) & (indices < columns)).all())
        dense = np.zeros((rows, columns), np.float32)
        dense[np.repeat(np.arange(rows), np.diff(starts)), indices] = 1
    except (KeyError, TypeError, ValueError, IndexError, MemoryError) as error:
        raise Problem(f"{path}: is no sparse matrix of zeros and ones; fetch it again") from error
    return dense


def _topics(path: Path) -> Integers:
    """The class of each row of a pickled indicator matrix, (rows,)."""
    content = unpickle(contents(path), str(path))
    if not isinstance(content, np.ndarray) or content.ndim != 2 or content.dtype.kind not in "ui":
        raise Problem(f"{path}: is no matrix of indicators; fetch it again")
    if not (((content == 0) | (content == 1)).all() and (content.sum(axis=1) == 1).all()):
        raise Problem(f"{path}: has a row without exactly one class; fetch it again")
    return np.asarray(content).argmax(axis=1).astype(np.int64)


def _order(path: Path, known: int, nodes: int) -> Integers:
    """The node that each row of ``tx`` is, (tests,): all those that ``allx`` leaves over."""
    try:
        order = np.array(contents(path).split(), dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise Problem(f"{path}: is no list of node numbers; fetch it again") from error
    if not np.array_equal(np.sort(order), np.arange(known, nodes)):
        raise Problem(f"{path}: does not name each of the nodes {known} to {nodes - 1} once")
    return order


def _edges(path: Path, nodes: int) -> Integers:
    """Each edge in both directions, once, without loops, (2, E)."""
    content = unpickle(contents(path), str(path))
    try:
        _demand(isinstance(content, dict) and all(type(o) is list for o in content.values()))
        _demand(sum(map(len, content.values())) <= LARGEST // 64)
        pairs = [(node, other) for node, others in content.items() for other in others]
        _demand(all(type(node) is type(other) is int for node, other in pairs))
        edges = np.array(pairs).reshape(-1, 2)
        _demand(edges.dtype.kind == "i")
    except (TypeError, ValueError) as error:
        raise Problem(f"{path}: is no dictionary of neighbours; fetch it again") from error
    if not (edges.min() >= 0 and edges.max() < nodes):
        raise Problem(f"{path}: names nodes outside 0 to {nodes - 1}")
    edges = edges[edges[:, 0] != edges[:, 1]]
    return np.ascontiguousarray(np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0).T)


def _numbers(part: Any) -> NDArray[Any]:
    """An array of a pickle as a plain one; whole numbers in 64 bits, whose differences fit."""
    _demand(isinstance(part, np.ndarray))
    return np.asarray(part, np.int64 if part.dtype.kind == "i" else None)


def _demand(fact: Any) -> None:
    if not fact:
        raise ValueError


def _same_width(path: Path, matrix: Floats, other: Floats) -> Floats:
    if matrix.shape[1] != other.shape[1]:
        raise Problem(f"{path}: has {matrix.shape[1]} columns, the other files {other.shape[1]}")
    return matrix


def _agree(path: Path, part: NDArray[Any], whole: NDArray[Any]) -> None:
    if not np.array_equal(part, whole):
        raise Problem(f"{path}: is not the beginning of the file of all nodes; fetch both again")
