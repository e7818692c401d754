"""Batches of examples: (inputs, targets), where inputs are a tensor or hold tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from sharpness.io.errors import UserError

Inputs = Tensor | Mapping[str, Any] | Sequence[Any]
"""The argument of a model: a tensor; a mapping of keyword arguments; or several, in order."""
Batch = tuple[Inputs, Tensor]
LABELS = ("labels", "label", "targets", "target")
"""Keys under which a batch that is a mapping may hold its targets."""


def batch_list(batches: Iterable[Any]) -> list[Batch]:
    """Read all batches, once, as (inputs, targets) of ordinary tensors.

    A batch is a pair, or a mapping that holds its targets under one of ``LABELS``. An iterator or a
    shuffling loader is read a single time, so that every cell sees the same batches.

    Raises:
        UserError: if something is not a batch, targets are no tensor.
    """
    if isinstance(batches, Tensor | Mapping) or not isinstance(batches, Iterable):
        raise UserError(f"batches are a {type(batches).__name__}; give a list of (inputs, targets)")
    return [_batch(given, f"batch {number}") for number, given in enumerate(batches)]


def _batch(given: Any, name: str) -> Batch:
    if isinstance(given, Mapping):
        found = [key for key in LABELS if given.get(key) is not None]
        if len(found) != 1:
            raise UserError(
                f"{name} is a mapping of {', '.join(map(str, given))}; exactly one key must be "
                f"one of {', '.join(LABELS)}"
            )
        given = {k: v for k, v in given.items() if k not in LABELS}, given[found[0]]
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise UserError(
            f"{name} is a {type(given).__name__}; it must be (inputs, targets), or a mapping that "
            "holds its labels"
        )
    inputs, targets = given
    if not isinstance(targets, Tensor) or targets.ndim == 0:
        kind = (
            "without an axis of examples" if isinstance(targets, Tensor) else type(targets).__name__
        )
        raise UserError(
            f"the targets of {name} are {kind}; they must be a tensor, one entry an example"
        )
    if not _tensors(inputs):
        raise UserError(f"the inputs of {name} hold no tensor")
    return map_tensors(_ordinary, inputs), _ordinary(targets)


def _ordinary(tensor: Tensor) -> Tensor:
    """Copy a tensor of inference mode, which autograd cannot save; detach one with a graph."""
    return tensor.clone() if tensor.is_inference() else tensor.detach()


def map_tensors(function: Callable[[Tensor], Tensor], inputs: Any) -> Any:
    """Apply ``function`` to every tensor of the inputs; keep whatever is no tensor."""
    if isinstance(inputs, Tensor):
        return function(inputs)
    if isinstance(inputs, Mapping):
        return {name: map_tensors(function, value) for name, value in inputs.items()}
    if isinstance(inputs, tuple | list):
        return _sequence(inputs, (map_tensors(function, value) for value in inputs))
    return inputs


def _sequence(like: Any, values: Iterable[Any]) -> Any:
    """Return the values as a tuple, or as a named tuple of the kind of ``like``."""
    return type(like)(*values) if hasattr(like, "_fields") else tuple(values)


def _tensors(inputs: Any) -> list[Tensor]:
    """Return the tensors of the inputs, in order."""
    found: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    map_tensors(note, inputs)
    return found


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Return the batch on ``device``."""
    inputs, targets = batch
    return map_tensors(lambda tensor: tensor.to(device), inputs), targets.to(device)


def call(model: Callable[..., Any], inputs: Inputs) -> Any:
    """Return the output of a model for a tensor, keyword arguments or several arguments."""
    if isinstance(inputs, Mapping):
        return model(**inputs)
    return model(*inputs) if type(inputs) in (tuple, list) else model(inputs)


def logits_of(outputs: Any) -> Tensor:
    """Return the logits of a model's output.

    They are the tensor itself, else what is called ``logits``, else the only tensor among the
    values of a mapping, tuple or dataclass. Raises UserError if that does not single one out.
    """
    if isinstance(outputs, Tensor):
        return outputs
    named = (
        outputs.get("logits") if isinstance(outputs, Mapping) else getattr(outputs, "logits", None)
    )
    if isinstance(named, Tensor):
        return named
    values: Iterable[Any] = ()
    if isinstance(outputs, Mapping):
        values = outputs.values()
    elif isinstance(outputs, tuple | list):
        values = outputs
    elif is_dataclass(outputs):
        values = [getattr(outputs, field.name) for field in fields(outputs)]
    found = [value for value in values if isinstance(value, Tensor)]
    if len(found) != 1:
        raise UserError(
            f"the model returns a {type(outputs).__name__} with {len(found)} tensors and no "
            "`logits`; wrap it so that it returns its logits"
        )
    return found[0]


def rebatched(batches: Sequence[Batch], m: int) -> list[Batch]:
    """Regroup the examples, in order, into batches of m; the last may be smaller.

    Raises:
        UserError: if batches of different forms would have to be joined.
    """
    if all(_form(batch) == _form(batches[0]) for batch in batches[1:]):
        return split_batch(_joined(batches), m)
    if any(len(targets) % m for _, targets in batches[:-1]):
        raise UserError(
            f"m = {m} would join examples of different shapes or kinds, such as sentences padded "
            "to different lengths; pad all batches alike, or choose an m that divides each batch"
        )
    return [piece for batch in batches for piece in split_batch(batch, m)]


def split_batch(batch: Batch, size: int) -> list[Batch]:
    """Split a batch into views of ``size`` examples each; the last may be smaller.

    A tensor whose first axis is not that of the examples, such as position_ids of shape (1, words),
    is shared by all pieces.
    """
    inputs, targets = batch
    if size >= len(targets):
        return [batch]

    def cut(start: int) -> Batch:
        piece = slice(start, start + size)
        return (
            map_tensors(
                lambda tensor: tensor[piece] if _per_example(tensor, batch) else tensor, inputs
            ),
            targets[piece],
        )

    return [cut(start) for start in range(0, len(targets), size)]


def _per_example(tensor: Tensor, batch: Batch) -> bool:
    return tensor.ndim > 0 and len(tensor) == len(batch[1])


def _form(batch: Batch) -> str:
    """Describe the names, types, shapes of an example and shared values of a batch."""

    def form(value: Any) -> Any:
        if isinstance(value, Tensor):
            rest = tuple(value.shape[1:]) if _per_example(value, batch) else value.tolist()
            return str(value.dtype), rest
        if isinstance(value, Mapping):
            return {name: form(value[name]) for name in sorted(value, key=str)}
        return [*map(form, value)] if isinstance(value, tuple | list) else value

    return repr((form(batch[0]), form(batch[1])))


def _joined(batches: Sequence[Batch]) -> Batch:
    """Join batches of one form; what they share is taken from the first."""

    def join(values: Sequence[Any]) -> Any:
        first = values[0]
        if isinstance(first, Tensor):
            return torch.cat([*values]) if _per_example(first, batches[0]) else first
        if isinstance(first, Mapping):
            return {name: join([value[name] for value in values]) for name in first}
        if isinstance(first, tuple | list):
            return _sequence(first, map(join, zip(*values, strict=True)))
        return first

    inputs, targets = zip(*batches, strict=True)
    return (join(inputs), torch.cat(targets)) if len(batches) > 1 else batches[0]


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
