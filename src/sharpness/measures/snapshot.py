"""State of a model that a forward pass may change, and its restoration."""

from __future__ import annotations

import sys
from array import array
from collections import UserDict, UserList, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from copy import copy
from functools import cache
from operator import is_
from types import FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from sharpness.data.batches import is_dense
from sharpness.io.errors import UserError
from sharpness.measures.random_state import GENERATORS

_UNSET = object()
_OPAQUE = (type, ModuleType, FunctionType, MethodType, str, bytes, int, float, complex)


class Snapshot:
    """Everything but the weights that is reachable from a model, as it was at one moment.

    Modules, containers and plain objects are kept by the identity of what they hold, so that what
    cannot be copied (a lock, an open file) is no obstacle; tensors and arrays are kept by value,
    for a forward may write them in place or through an alias.
    """

    def __init__(self, model: nn.Module, weights: Iterable[Tensor]) -> None:
        """Record the state of ``model``; ``weights`` are left out, and views of their entries."""
        self._weights: dict[object, list[tuple[int, int]]] = defaultdict(list)
        for weight in weights:
            if extent(weight) == weight.numel() > 0:
                self._weights[_memory(weight)].append(_span(weight))
        self._restorers: list[Callable[[], None]] = []
        self._empty: list[Any] = []  # containers, mostly those of hooks
        self._seen: dict[int, Any] = {}
        waiting: list[Any] = [model, *model.buffers()]  # TorchScript's are in no attribute
        while waiting:
            thing = waiting.pop()
            if id(thing) not in self._seen and not isinstance(thing, _OPAQUE):
                self._seen[id(thing)] = thing  # kept alive, so that its id stays its own
                waiting.extend(self._record(thing))

    @property
    def generators(self) -> list[Any]:
        """Return the random generators that the model holds."""
        return [thing for thing in self._seen.values() if isinstance(thing, GENERATORS)]

    def restore(self) -> None:
        """Put everything back that differs.

        Raises:
            UserError: if something cannot be put back, once everything else was.
        """
        for container in self._empty:
            if container:
                container.clear()
        failed = ""
        with torch.no_grad():
            for restorer in self._restorers:
                try:
                    restorer()
                except Exception as error:  # go on with the others
                    failed = f"{type(error).__name__}: {error}"
        if failed:
            raise UserError(f"what the model's forward pass changed cannot be restored: {failed}")

    def _record(self, thing: Any) -> Iterator[Any]:
        """Note how to restore one object; yield what it holds."""
        if isinstance(thing, Tensor):
            self._record_tensor(thing)
        elif isinstance(thing, np.ndarray | bytearray | array):
            if not isinstance(thing, np.ndarray) or thing.flags.writeable:
                self._restorers.append(_array_restorer(thing))
        elif isinstance(thing, dict | list | set | deque) and not thing:
            self._empty.append(thing)
        elif isinstance(thing, dict | list | set | deque):
            self._restorers.append(_container_restorer(thing))
            yield from thing.values() if isinstance(thing, dict) else thing
        elif isinstance(thing, tuple | frozenset):
            yield from thing
        if _is_plain(thing):
            yield getattr(thing, "__dict__", None)
            for name in _slots(type(thing)):  # type: ignore[arg-type]
                self._restorers.append(_slot_restorer(thing, name))
                yield getattr(thing, name, None)
        elif isinstance(thing, Tensor) and vars(thing):
            yield vars(thing)

    def _record_tensor(self, tensor: Tensor) -> None:
        wrapper = is_traceable_wrapper_subclass(tensor)  # of tensors that are its attributes
        if wrapper or tensor.is_meta or nn.parameter.is_lazy(tensor) or not is_dense(tensor):
            return
        start, end = _span(tensor)
        weights = self._weights.get(_memory(tensor), ())
        if not any(first <= start and end <= last for first, last in weights):
            self._restorers.append(_tensor_restorer(tensor))


def extent(tensor: Tensor) -> int:
    """Return the number of entries from the first to the last that a tensor views."""
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    return 1 + sum((size - 1) * stride for size, stride in steps) if tensor.numel() else 0


def _span(tensor: Tensor) -> tuple[int, int]:
    """Return the bytes that a tensor views."""
    return tensor.data_ptr(), tensor.data_ptr() + extent(tensor) * tensor.element_size()


def _memory(tensor: Tensor) -> object:
    """Identify the memory that a tensor views."""
    return tensor.device, tensor.untyped_storage().data_ptr()


def _is_plain(thing: Any) -> bool:
    """Return whether an object's attributes belong to the model: not those of a library's tools."""
    if isinstance(thing, nn.Module | UserDict | UserList):
        return True
    if isinstance(thing, Tensor | np.ndarray):
        return False
    home = type(thing).__module__.partition(".")[0]
    return home not in sys.stdlib_module_names - {"types"} and home not in ("torch", "numpy")


def _container_restorer(thing: Any) -> Callable[[], None]:
    mapping = isinstance(thing, dict)
    before = [*thing]
    values = [*thing.values()] if mapping else []

    def restore() -> None:
        now = [*thing, *thing.values()] if mapping else [*thing]
        if len(now) == len(before) + len(values) and all(map(is_, now, [*before, *values])):
            return
        thing.clear()
        if mapping:
            thing.update(zip(before, values, strict=True))
        else:
            (thing.update if isinstance(thing, set) else thing.extend)(before)

    return restore


@cache
def _slots(kind: type) -> list[str]:
    """Return the names in ``__slots__`` of a class."""
    found = [item for base in kind.__mro__ for item in vars(base).items()]
    return [name for name, value in found if isinstance(value, MemberDescriptorType)]


def _slot_restorer(thing: Any, name: str) -> Callable[[], None]:
    before = getattr(thing, name, _UNSET)

    def restore() -> None:
        if getattr(thing, name, _UNSET) is not before:
            delattr(thing, name) if before is _UNSET else object.__setattr__(thing, name, before)

    return restore


def _tensor_restorer(tensor: Tensor) -> Callable[[], None]:
    view = tensor.detach()  # the same memory, should a forward give the tensor another
    overlapping = extent(view) < view.numel()  # such as an expanded one, which cannot be written
    memory = view.as_strided((extent(view),), (1,)) if overlapping else view
    before = memory.clone()

    def restore() -> None:
        if (tensor.data_ptr(), tensor.shape, tensor.stride()) != place:
            tensor.data = view
        # A copy is enqueued on a GPU, which a comparison waits for.
        if memory.device.type != "cpu" or not _equal(memory, before):
            memory.copy_(before)

    place = tensor.data_ptr(), tensor.shape, tensor.stride()
    return restore


def _equal(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors hold the same, NaN included; False where it cannot be known."""
    with suppress(RuntimeError):  # no comparison of this type, or no memory for it
        return torch.equal(one, other) or bool(
            ((one == other) | (one != one) & (other != other)).all()
        )
    return False


def _array_restorer(values: Any) -> Callable[[], None]:
    before, whole = copy(values), ... if isinstance(values, np.ndarray) else slice(None)

    def restore() -> None:
        values[whole] = before

    return restore
