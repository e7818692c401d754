"""Reading a pickle of arrays, sparse matrices, lists, strings and numbers; nothing in it acts.

A pickle says which functions to call. Here it finds stand-ins for the few that these files need,
classes of this module that check what they are given: NumPy's own would believe a pickle about the
layout of memory. A pickle cannot change them either, for they take no state as classes.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
from typing import Any, Self

import numpy as np

from sharpness.problem import Problem

_MOST_CALLS = 100
"""Of functions in one pickle; each could make as much as the whole pickle holds."""
_KIND = re.compile(r"b1|[iu][1248]|f[248]")


class _Array(np.ndarray[Any, Any]):
    """In the place of ``numpy.ndarray``: numbers in as many bytes as their shape needs."""

    def __new__(cls, *_: Any) -> Self:
        """Begin empty, whatever is asked for."""
        return super().__new__(cls, (0,), np.uint8)

    def __setstate__(self, state: Any) -> None:
        """Take version, shape, type, order and contents."""
        version, shape, kind, columns_first, content = state
        if isinstance(content, str):  # bytes of Python 2
            content = content.encode("latin1")
        if not isinstance(kind, _Dtype) or not isinstance(content, bytes):
            raise pickle.UnpicklingError("an array of something else than numbers")
        if not all(type(size) is int and size >= 0 for size in shape):
            raise pickle.UnpicklingError("an array without a shape")
        if math.prod(shape) * kind.dtype.itemsize != len(content):
            raise pickle.UnpicklingError("an array whose contents do not fill its shape")
        super().__setstate__((version, shape, kind.dtype, columns_first, bytes(content)))


class _Dtype:
    """In the place of ``numpy.dtype``: whole or real numbers, or truth values.

    Attributes:
        dtype: the type.
    """

    def __init__(self, kind: Any, *_: Any) -> None:
        """Take a name such as ``i4``, and no notice of the wish for a copy."""
        if not isinstance(kind, str) or not _KIND.fullmatch(kind):
            raise pickle.UnpicklingError("a type of something else than numbers")
        self.dtype = np.dtype(kind)

    def __setstate__(self, state: Any) -> None:
        """Take the order of the bytes, and nothing else."""
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Bytes(bytes):
    """In the place of ``_codecs.encode``, of which arrays make one use: bytes written as text."""

    def __new__(cls, text: Any, encoding: Any) -> Self:
        """Encode a text."""
        if encoding != "latin1" or not isinstance(text, str):
            raise pickle.UnpicklingError("another encoding than latin1")
        return super().__new__(cls, text.encode("latin1"))

    def __setstate__(self, state: Any) -> None:
        """Take none."""


class Sparse:
    """In the place of SciPy's ``csr_matrix``: what the pickle says of it, unexamined.

    Attributes:
        state: by name; ``_shape``, ``indptr``, ``indices`` and ``data`` if it is sound.
    """

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        """Keep the state, and do nothing with it."""
        self.state = state


class _List:
    """In the place of ``list``, which is named and never called."""

    def __init__(self) -> None:
        """Refuse to be made."""
        raise pickle.UnpicklingError("a list by its class")

    def __setstate__(self, state: Any) -> None:
        """Take none."""


class _Lists(dict[Any, Any]):
    """In the place of ``defaultdict(list)``, a plain dictionary."""

    def __init__(self, factory: Any) -> None:
        """Begin empty."""
        if factory is not _List:
            raise pickle.UnpicklingError("a defaultdict of something else than lists")
        super().__init__()

    def __setstate__(self, state: Any) -> None:
        """Take none."""


_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _Bytes,
    ("scipy.sparse.csr", "csr_matrix"): Sparse,
    ("collections", "defaultdict"): _Lists,
    ("__builtin__", "list"): _List,
}


class _Arrays(pickle.Unpickler):
    """An unpickler that knows a few harmless globals and refuses every other."""

    def __init__(self, content: bytes, source: str) -> None:
        # latin1 maps the bytes of Python 2's strings to themselves.
        super().__init__(io.BytesIO(content), encoding="latin1")
        self.source = source

    def find_class(self, module: str, name: str) -> Any:
        """Look up one of the permitted globals; importing nothing."""
        if (module, name) not in _ALLOWED:
            raise Problem(f"{self.source}: refused, its pickle asks for {module}.{name}")
        return _ALLOWED[module, name]


def unpickle(content: bytes, source: str) -> Any:
    """The value of a pickle of plain data, NumPy arrays and `Sparse` matrices.

    Args:
        content: the pickle.
        source: what to call it in a message.

    Raises:
        Problem: if it is broken or asks for any other global; nothing has been run then.
    """
    try:
        _check_size(content)
        return _Arrays(content, source).load()
    except Problem:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        raise Problem(f"{source}: is no readable pickle ({error})") from error


def _check_size(content: bytes) -> None:
    """Refuse what would take far more memory than the pickle itself."""
    calls = 0
    for opcode, argument, _ in pickletools.genops(content):
        calls += opcode.name in ("REDUCE", "NEWOBJ", "NEWOBJ_EX", "OBJ", "INST")
        # The unpickler keeps a table of all numbers up to the largest.
        if opcode.name.endswith("PUT") and (argument or 0) > len(content):
            raise pickle.UnpicklingError(f"object number {argument}")
        if calls > _MOST_CALLS:
            raise pickle.UnpicklingError(f"more than {_MOST_CALLS} calls")
