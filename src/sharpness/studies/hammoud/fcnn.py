"""The FCNN 10-64-64-1 on Abalone: data split, batches, a stack of M networks and their loss."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import elu, relu

from sharpness.data.small import Abalone
from sharpness.io.errors import UserError
from sharpness.studies.hammoud.ascent import Weights
from sharpness.studies.hammoud.procedures import FcnnProcedure

BATCH = 64

Batch = tuple[Tensor, Tensor]
"""Features and labels of each model's examples: (M, examples, 10) and (M, examples)."""


@dataclass(frozen=True)
class AbaloneSplit:
    """Training inputs (n, 10), test inputs (t, 10) and their labels (n,) and (t,), float32."""

    inputs: Tensor
    labels: Tensor
    test_inputs: Tensor
    test_labels: Tensor

    @property
    def batches_per_epoch(self) -> int:
        """Return the number of batches of 64; the last one may be smaller."""
        return math.ceil(len(self.labels) / BATCH)

    def whole(self, models: int) -> Batch:
        """Return all training rows, repeated for each model."""
        return _repeated(self.inputs, models), _repeated(self.labels, models)

    def test(self, models: int) -> Batch:
        """Return all test rows, repeated for each model."""
        return _repeated(self.test_inputs, models), _repeated(self.test_labels, models)

    def drawn(self, generators: Sequence[np.random.Generator]) -> Batch:
        """Draw 64 rows for each model, with replacement, by its own generator."""
        return self._rows([g.integers(len(self.labels), size=BATCH) for g in generators])

    def epoch(
        self, generators: Sequence[np.random.Generator], minibatches: bool
    ) -> Iterator[Batch]:
        """Yield the batches of an epoch.

        With ``minibatches``, they hold 64 rows in an order drawn by each model's generator;
        otherwise all rows, as often as there are batches of 64.
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


def prepare(data: Abalone, procedure: FcnnProcedure) -> AbaloneSplit:
    """Split and standardise the data, by the unbiased standard deviations of the training rows.

    ``procedure`` says whether the first row is lost and whether the label is standardised.

    Raises:
        UserError: if a feature is the same in all training rows.
    """
    kept = slice(int(procedure.first_row_lost), None)
    order = np.random.RandomState(42).permutation(len(data.rings[kept]))
    tests = math.ceil(0.2 * len(order))
    test, train = order[:tests], order[tests:]
    columns = np.column_stack([data.features, data.rings])[kept]
    mean, deviation = columns[train].mean(axis=0), columns[train].std(axis=0, ddof=1)
    if not (deviation > 0).all():
        raise UserError(f"{len(train)} training rows of Abalone are too alike; give more examples")
    if not procedure.standardised_label:
        mean[-1], deviation[-1] = 0, 1
    standard = torch.from_numpy((columns - mean) / deviation).float()
    return AbaloneSplit(
        standard[train, :-1], standard[train, -1], standard[test, :-1], standard[test, -1]
    )


def _repeated(rows: Tensor, models: int) -> Tensor:
    return rows.expand(models, *rows.shape)


WIDTHS = (10, 64, 64, 1)
LAYERS = len(WIDTHS) - 1


def fcnn_initial(procedure: FcnnProcedure, generators: Sequence[np.random.Generator]) -> Weights:
    """Draw the initial weights of a stack: W1 (M, 10, 64), b1 (M, 1, 64), W2, b2, W3, b3."""
    weights = {}
    for layer, (i, o) in enumerate(pairwise(WIDTHS), start=1):
        torch_like = procedure.initial_weights == "torch"
        bound = 1 / math.sqrt(i) if torch_like else math.sqrt(6 / (i + o))
        weights[f"W{layer}"] = _uniform(bound, (i, o), generators)
        weights[f"b{layer}"] = _uniform(bound if torch_like else 0, (1, o), generators)
    return weights


def fcnn_outputs(weights: Weights, inputs: Tensor, procedure: FcnnProcedure) -> Tensor:
    """Return the outputs of M models, (M, examples), for inputs (M, examples, 10)."""
    activation = relu if procedure.activation == "relu" else elu
    x = inputs
    for layer in range(1, LAYERS + 1):
        x = torch.baddbmm(weights[f"b{layer}"], x, weights[f"W{layer}"])
        if layer < LAYERS or procedure.activated_output:
            x = activation(x)
    return x.squeeze(2)


def mean_squared_error(weights: Weights, batch: Batch, procedure: FcnnProcedure) -> Tensor:
    """Return the loss of each model on its examples, (M,)."""
    inputs, labels = batch
    return (fcnn_outputs(weights, inputs, procedure) - labels).square().mean(dim=1)


def _uniform(
    bound: float, shape: tuple[int, int], generators: Sequence[np.random.Generator]
) -> Tensor:
    """Draw U(−bound, bound) for each model, (M, *shape), float32."""
    drawn = np.stack([generator.uniform(-bound, bound, shape) for generator in generators])
    return torch.from_numpy(drawn).float()
