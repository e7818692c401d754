"""Batches of examples: (inputs, targets), where inputs are a tensor or a dict of tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Protocol, Self

import torch
from torch import Tensor

Inputs = Tensor | Mapping[str, Tensor]
Batch = tuple[Inputs, Tensor]


def map_tensors(function: Callable[[Tensor], Tensor], inputs: Inputs) -> Inputs:
    """Apply ``function`` to the tensor, or to every tensor of the mapping."""
    if isinstance(inputs, Tensor):
        return function(inputs)
    return {name: function(value) for name, value in inputs.items()}


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Return the batch on ``device``."""
    inputs, targets = batch
    return map_tensors(lambda tensor: tensor.to(device), inputs), targets.to(device)


def logits_of(outputs: Any) -> Tensor:
    """Return the logits of a model's output: the tensor itself, or its ``logits`` attribute."""
    return outputs if isinstance(outputs, Tensor) else outputs.logits


def size(inputs: Inputs) -> int:
    """Return the number of examples in the inputs."""
    return len(inputs if isinstance(inputs, Tensor) else next(iter(inputs.values())))


def rebatched(batches: Sequence[Batch], m: int) -> list[Batch]:
    """Regroup the examples, in order, into batches of m; the last may be smaller."""
    inputs = _joined([inputs for inputs, _ in batches])
    return split_batch((inputs, torch.cat([target for _, target in batches])), m)


def split_batch(batch: Batch, size: int) -> list[Batch]:
    """Split a batch into views of ``size`` examples each; the last may be smaller."""
    inputs, targets = batch
    pieces = [slice(start, start + size) for start in range(0, len(targets), size)]
    return [(map_tensors(itemgetter(piece), inputs), targets[piece]) for piece in pieces]


def _joined(inputs: Sequence[Inputs]) -> Inputs:
    first = inputs[0]
    if isinstance(first, Tensor):
        return torch.cat([i for i in inputs if isinstance(i, Tensor)])
    mappings = [i for i in inputs if isinstance(i, Mapping)]
    return {name: torch.cat([i[name] for i in mappings]) for name in first}


Groups = tuple[tuple[int, ...], ...]
"""For each class of a data set, the logits that count as it; their maximum is its score."""


class Examples(Protocol):
    """Labelled examples, in memory or on disk."""

    @property
    def title(self) -> str:
        """Return the name of the data set in tables and figures."""

    @property
    def groups(self) -> Groups | None:
        """Return, for each class, the numbers of its logits; None where class k is logit k."""

    def __len__(self) -> int:
        """Return the number of examples."""

    def subset(self, index: slice) -> Self:
        """Return the examples at these positions, in this order."""

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield (inputs, labels) on the device of the data; the last batch may be smaller."""

    def digest(self) -> str:
        """Return a 16-digit hash of the contents and of their preparation."""
