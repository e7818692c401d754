"""Reading a pickle of arrays, sparse matrices, lists, strings and numbers; nothing in it acts."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np

from sharpness.problem import Problem


def _encode(text: str, encoding: str) -> bytes:
    """The one use that arrays make of ``_codecs.encode``: bytes written as text."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"encoding {encoding!r}")
    return text.encode("latin1")


def _dtype(kind: str, align: int = 0, copy: int = 0) -> np.dtype[Any]:
    """``numpy.dtype``, with the whole numbers that old pickles have for truth values."""
    return np.dtype(kind, align=bool(align), copy=bool(copy))


class Sparse:
    """In the place of SciPy's ``csr_matrix``: what the pickle says of it, unexamined.

    Attributes:
        state: by name; ``_shape``, ``indptr``, ``indices`` and ``data`` if it is sound.
    """

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        """Keep the state, and do nothing with it."""
        self.state = state


def _lists(factory: Any) -> dict[Any, Any]:
    """In the place of ``defaultdict(list)``, a plain dictionary."""
    if factory is not list:
        raise pickle.UnpicklingError(f"a defaultdict of {factory!r}")
    return {}


_RECONSTRUCT = np.empty(0).__reduce__()[0]
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
    ("scipy.sparse.csr", "csr_matrix"): Sparse,
    ("collections", "defaultdict"): _lists,
    ("__builtin__", "list"): list,
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
        return _Arrays(content, source).load()
    except Problem:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        raise Problem(f"{source}: is no readable pickle ({error})") from error
