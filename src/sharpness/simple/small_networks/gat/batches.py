"""Batches of nodes for a stack of models, as the share that each node has in each model's loss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

BATCH = 64


def epoch(nodes: int, generators: Sequence[np.random.Generator]) -> Iterator[Tensor]:
    """All nodes once, in each model's own order, 64 at a time; the shares (M, nodes) of each batch.

    Args:
        nodes: their number.
        generators: one per model.
    """
    orders = np.stack([generator.permutation(nodes) for generator in generators])
    for start in range(0, nodes, BATCH):
        chosen = torch.from_numpy(orders[:, start : start + BATCH])
        yield torch.zeros(orders.shape).scatter(1, chosen, 1 / chosen.shape[1])


def drawn(
    nodes: int, generators: Sequence[np.random.Generator], *, duplicates: bool = True
) -> Tensor:
    """64 nodes for each model, with replacement; their shares, (M, nodes).

    Args:
        nodes: how many there are.
        generators: one per model.
        duplicates: whether a node that is drawn twice counts twice.
    """
    counts = np.stack(
        [np.bincount(g.integers(nodes, size=BATCH), minlength=nodes) for g in generators]
    )
    if not duplicates:
        counts = counts.astype(bool)
    return torch.from_numpy(counts / counts.sum(axis=1, keepdims=True)).float()
