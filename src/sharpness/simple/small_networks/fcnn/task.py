"""Abalone as the network sees it: split, standardised, in batches for a stack of models."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sharpness.data.abalone import Abalone
from sharpness.problem import Problem
from sharpness.simple.small_networks.fcnn.procedure import Procedure

BATCH = 64

Batch = tuple[Tensor, Tensor]
"""Features and labels of each model's examples: (M, examples, 10) and (M, examples)."""


@dataclass(frozen=True)
class Task:
    """Training and test rows, float32.

    Attributes:
        inputs: (n, 10).
        labels: (n,).
        test_inputs: (t, 10).
        test_labels: (t,).
    """

    inputs: Tensor
    labels: Tensor
    test_inputs: Tensor
    test_labels: Tensor

    @property
    def batches_per_epoch(self) -> int:
        """Batches of 64, the last one maybe smaller."""
        return math.ceil(len(self.labels) / BATCH)

    def whole(self, models: int) -> Batch:
        """All training rows, for each model."""
        return _repeated(self.inputs, models), _repeated(self.labels, models)

    def test(self, models: int) -> Batch:
        """All test rows, for each model."""
        return _repeated(self.test_inputs, models), _repeated(self.test_labels, models)

    def drawn(self, generators: Sequence[np.random.Generator]) -> Batch:
        """64 rows for each model, with replacement, by its own generator."""
        return self._rows([g.integers(len(self.labels), size=BATCH) for g in generators])

    def epoch(
        self, generators: Sequence[np.random.Generator], minibatches: bool
    ) -> Iterator[Batch]:
        """The batches of an epoch.

        Args:
            generators: of the order of the rows, one per model.
            minibatches: whether a batch has 64 rows of its own, or all.
        """
        if not minibatches:
            for _ in range(self.batches_per_epoch):
                yield self.whole(len(generators))
            return
        orders = np.stack([g.permutation(len(self.labels)) for g in generators])
        for start in range(0, orders.shape[1], BATCH):
            yield self._rows(orders[:, start : start + BATCH])

    def _rows(self, indices: np.ndarray | Sequence[np.ndarray]) -> Batch:
        chosen = torch.from_numpy(np.asarray(indices))
        return self.inputs[chosen], self.labels[chosen]


def prepare(data: Abalone, procedure: Procedure) -> Task:
    """Split and standardise; the standard deviations are the unbiased ones.

    Args:
        data: the table, or its first rows.
        procedure: whether the first row is lost and the label standardised.

    Raises:
        Problem: if some feature is the same in all training rows.
    """
    kept = slice(int(procedure.first_row_lost), None)
    order = np.random.RandomState(42).permutation(len(data.rings[kept]))
    tests = math.ceil(0.2 * len(order))
    test, train = order[:tests], order[tests:]
    columns = np.column_stack([data.features, data.rings])[kept]
    mean, deviation = columns[train].mean(axis=0), columns[train].std(axis=0, ddof=1)
    if not (deviation > 0).all():
        raise Problem(f"{len(train)} training rows of Abalone are too alike; give more examples")
    if not procedure.standardised_label:
        mean[-1], deviation[-1] = 0, 1
    standard = torch.from_numpy((columns - mean) / deviation).float()
    return Task(standard[train, :-1], standard[train, -1], standard[test, :-1], standard[test, -1])


def _repeated(rows: Tensor, models: int) -> Tensor:
    return rows.expand(models, *rows.shape)
