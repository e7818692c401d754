"""Batches of examples: (inputs, targets), where inputs is a tensor or keyword tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Protocol, Self

import torch
from torch import Tensor

Inputs = Tensor | Mapping[str, Tensor]
Batch = tuple[Inputs, Tensor]


def each(function: Callable[[Tensor], Tensor], inputs: Inputs) -> Inputs:
    """``function`` of the tensor, or of every keyword tensor."""
    if isinstance(inputs, Tensor):
        return function(inputs)
    return {name: function(value) for name, value in inputs.items()}


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on ``device``."""
    inputs, targets = batch
    return each(lambda tensor: tensor.to(device), inputs), targets.to(device)


def logits_of(outputs: Any) -> Tensor:
    """What a model returned: a tensor, or an object that has it as ``logits``."""
    return outputs if isinstance(outputs, Tensor) else outputs.logits


def size(inputs: Inputs) -> int:
    """The number of examples."""
    return len(inputs if isinstance(inputs, Tensor) else next(iter(inputs.values())))


def rebatched(batches: Sequence[Batch], m: int) -> list[Batch]:
    """The same examples in the same order, m in a batch; the last may be smaller."""
    inputs = _joined([inputs for inputs, _ in batches])
    return split_batch((inputs, torch.cat([target for _, target in batches])), m)


def split_batch(batch: Batch, size: int) -> list[Batch]:
    """The batch in pieces of ``size`` examples; the last may be smaller. Nothing is copied."""
    inputs, targets = batch
    pieces = [slice(start, start + size) for start in range(0, len(targets), size)]
    return [(each(itemgetter(piece), inputs), targets[piece]) for piece in pieces]


def _joined(inputs: Sequence[Inputs]) -> Inputs:
    first = inputs[0]
    if isinstance(first, Tensor):
        return torch.cat([i for i in inputs if isinstance(i, Tensor)])
    mappings = [i for i in inputs if isinstance(i, Mapping)]
    return {name: torch.cat([i[name] for i in mappings]) for name in first}


Groups = tuple[tuple[int, ...], ...]
"""For each class of a data set, the logits that mean it; its score is the largest of them."""


class Examples(Protocol):
    """Labelled examples, in memory or on disk.

    Attributes:
        title: what tables and figures call the set.
        groups: None where class k is logit k.
    """

    @property
    def title(self) -> str:
        """What tables and figures call the set."""
        ...

    @property
    def groups(self) -> Groups | None:
        """For each class, the logits that mean it; None where class k is logit k."""
        ...

    def __len__(self) -> int:
        """Number of examples."""
        ...

    def subset(self, index: slice) -> Self:
        """The examples at these positions, in this order."""
        ...

    def batches(self, size: int) -> Iterator[Batch]:
        """(inputs, labels) on the CPU or where the data lie; the last batch may be smaller."""
        ...

    def digest(self) -> str:
        """A 16-digit name for the contents: equal data and preparation, equal names."""
        ...
