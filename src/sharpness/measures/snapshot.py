"""State of a model that a forward pass may change, and its restoration."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from operator import is_
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_OPAQUE = (type, ModuleType, FunctionType, MethodType, str, bytes, int, float, complex)


class Snapshot:
    """Everything but the weights that is reachable from a model, as it was at one moment.

    Modules, containers and plain objects are kept by the identity of what they hold, so that what
    cannot be copied (a lock, an open file) is no obstacle; tensors and arrays are kept by value,
    for a forward may write them in place or through an alias.
    """

    def __init__(self, model: nn.Module, weights: Iterable[Tensor]) -> None:
        """Record the state of ``model``; ``weights`` are left out, with all that shares memory."""
        self._weights = {_memory(tensor) for tensor in weights}
        self._restorers: list[Callable[[], None]] = []
        self._empty: list[Any] = []  # containers, mostly those of hooks
        self._seen: dict[int, Any] = {}
        waiting: list[Any] = [model, *model.buffers()]  # TorchScript's are in no attribute
        while waiting:
            thing = waiting.pop()
            if id(thing) not in self._seen and not isinstance(thing, _OPAQUE):
                self._seen[id(thing)] = thing  # kept alive, so that its id stays its own
                waiting.extend(self._record(thing))

    def restore(self) -> None:
        """Put everything back that differs."""
        for container in self._empty:
            if container:
                container.clear()
        with torch.no_grad():
            for restorer in self._restorers:
                with suppress(RuntimeError, NotImplementedError):  # go on with the others
                    restorer()

    def _record(self, thing: Any) -> Iterator[Any]:
        """Note how to restore one object; yield what it holds."""
        if isinstance(thing, Tensor):
            self._record_tensor(thing)
        elif isinstance(thing, np.ndarray):
            if thing.flags.writeable:
                self._restorers.append(_array_restorer(thing))
        elif isinstance(thing, dict | list | set | deque) and not thing:
            self._empty.append(thing)
        elif isinstance(thing, dict | list | set | deque):
            self._restorers.append(_container_restorer(thing))
            yield from thing.values() if isinstance(thing, dict) else thing
        elif isinstance(thing, tuple | frozenset):
            yield from thing
        if _is_plain(thing):
            yield vars(thing)

    def _record_tensor(self, tensor: Tensor) -> None:
        own = tensor.layout is torch.strided and not tensor.is_meta and not tensor.is_nested
        own = own and tensor.numel() > 0
        if own and _memory(tensor) not in self._weights:
            self._restorers.append(_tensor_restorer(tensor))


def _memory(tensor: Tensor) -> tuple[torch.device, int]:
    """Identify the memory that a tensor views; 0 where it has none of its own."""
    strided = tensor.layout is torch.strided and not tensor.is_meta
    return tensor.device, tensor.untyped_storage().data_ptr() if strided else 0


def _is_plain(thing: Any) -> bool:
    """Return whether an object's attributes belong to the model: not those of a library's tools."""
    if isinstance(thing, nn.Module):
        return True
    if isinstance(thing, Tensor | np.ndarray) or not hasattr(thing, "__dict__"):
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


def _tensor_restorer(tensor: Tensor) -> Callable[[], None]:
    memory = tensor.detach()  # the same memory, should a forward give the tensor another
    before = memory.clone()

    def restore() -> None:
        if tensor.data_ptr() != memory.data_ptr() or tensor.shape != memory.shape:
            tensor.data = memory
        if not torch.equal(memory, before):
            memory.copy_(before)

    return restore


def _array_restorer(array: np.ndarray[Any, Any]) -> Callable[[], None]:
    before = array.copy()

    def restore() -> None:
        array[...] = before

    return restore
