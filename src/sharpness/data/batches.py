"""Batches of examples: (inputs, targets), where inputs are a tensor or hold tensors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from sharpness.io.errors import UserError, described

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
    if not isinstance(targets, Tensor) or targets.ndim == 0 or not is_dense(targets):
        kind = type(targets).__name__
        if isinstance(targets, Tensor):
            kind = "without an axis of examples" if is_dense(targets) else "sparse or nested"
        raise UserError(
            f"the targets of {name} are {kind}; they must be a tensor, one entry an example"
        )
    if not _tensors(inputs):
        raise UserError(f"the inputs of {name} hold no tensor")
    return map_tensors(_ordinary, inputs), _ordinary(targets)


def _ordinary(tensor: Tensor) -> Tensor:
    """Copy a tensor of inference mode, which autograd cannot save; detach one with a graph."""
    return tensor.clone() if tensor.is_inference() else tensor.detach()


def is_dense(tensor: Tensor) -> bool:
    """Return whether a tensor is an ordinary one, not sparse or nested."""
    return tensor.layout is torch.strided and not tensor.is_nested


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


def _tensors(inputs: Any, place: str = "") -> dict[str, Tensor]:
    """Return the tensors of the inputs by their place in them."""
    if isinstance(inputs, Tensor):
        return {place: inputs}
    within: Iterable[tuple[Any, Any]] = ()
    if isinstance(inputs, Mapping):
        within = inputs.items()
    elif isinstance(inputs, tuple | list):
        within = enumerate(inputs)
    found: dict[str, Tensor] = {}
    for key, value in within:
        found |= _tensors(value, f"{place}/{key}")
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
    shared = _shared(batches)
    if all(_form(batch, shared) == _form(batches[0], shared) for batch in batches[1:]):
        with described("joining batches"):
            joined = _joined(batches, shared)
        return split_batch(joined, m, shared)
    if any(len(targets) % m for _, targets in batches[:-1]):
        raise UserError(
            f"m = {m} would join examples of different shapes or kinds, such as sentences padded "
            "to different lengths; pad all batches alike, or choose an m that divides each batch"
        )
    return [piece for batch in batches for piece in split_batch(batch, m, shared)]


def split_batch(batch: Batch, size: int, shared: Collection[int] | None = None) -> list[Batch]:
    """Split a batch into pieces of ``size`` examples each; the last may be smaller.

    A tensor whose first axis is not that of the examples, such as position_ids of shape (1, words),
    is shared by all pieces; ``shared`` are the ids of such tensors, where more batches told them.
    """
    inputs, targets = batch
    if size >= len(targets):
        return [batch]
    whole = _shared([batch]) if shared is None else shared

    def cut(start: int) -> Batch:
        piece = slice(start, start + size)
        return (
            map_tensors(
                lambda tensor: tensor if id(tensor) in whole else _rows(tensor, piece), inputs
            ),
            targets[piece],
        )

    with described("dividing a batch"):
        return [cut(start) for start in range(0, len(targets), size)]


def _shared(batches: Sequence[Batch]) -> set[int]:
    """Return the ids of tensors whose place has, in some batch, no axis of examples.

    One batch does not tell: one example may have position_ids of shape (1, words).
    """
    found = [(_tensors(inputs), len(targets)) for inputs, targets in batches]
    places = {
        place
        for tensors, examples in found
        for place, tensor in tensors.items()
        if tensor.ndim == 0 or tensor.size(0) != examples
    }
    return {id(tensors[place]) for tensors, _ in found for place in places & tensors.keys()}


def _rows(tensor: Tensor, piece: slice) -> Tensor:
    """Return some examples of a tensor: a view, unless it is sparse or nested."""
    if tensor.is_nested:
        return _nested([*tensor.unbind()[piece]], tensor)
    if is_dense(tensor):
        return tensor[piece]
    rows = torch.arange(len(tensor), device=tensor.device)[piece]
    return tensor.to_sparse().index_select(0, rows).to_sparse(layout=tensor.layout)


def _nested(examples: list[Tensor], like: Tensor) -> Tensor:
    return torch.nested.as_nested_tensor(examples, layout=like.layout)


def _form(batch: Batch, shared: Collection[int]) -> str:
    """Describe the names, types, shapes of an example and shared values of a batch."""

    def form(value: Any) -> Any:
        if isinstance(value, Tensor):
            if value.is_nested:
                return str(value.dtype), value.layout, value.ndim
            whole = id(value) in shared
            rest = value.to_dense().tolist() if whole else tuple(value.shape[1:])
            return str(value.dtype), value.layout, rest
        if isinstance(value, Mapping):
            return {name: form(value[name]) for name in sorted(value, key=str)}
        return [*map(form, value)] if isinstance(value, tuple | list) else value

    return repr((form(batch[0]), form(batch[1])))


def _joined(batches: Sequence[Batch], shared: Collection[int]) -> Batch:
    """Join batches of one form; what they share is taken from the first."""

    def join(values: Sequence[Any]) -> Any:
        first = values[0]
        if isinstance(first, Tensor):
            if id(first) in shared:
                return first
            if first.is_nested:
                return _nested([row for value in values for row in value.unbind()], first)
            if is_dense(first):
                return torch.cat([*values])
            return torch.cat([v.to_sparse() for v in values]).to_sparse(layout=first.layout)
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
