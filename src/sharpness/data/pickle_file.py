"""Pickles of published data sets: opened only where their bytes are those that are pinned.

A pickle says which functions to call, so that one of unknown origin must not be opened at all.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Mapping
from typing import Any

from sharpness.data.locate import standin_digest
from sharpness.data.registry import REGISTRY, downloads
from sharpness.io.download import known
from sharpness.io.errors import UserError

_RENAMED = {
    "numpy.core.multiarray": "numpy._core.multiarray",
    "scipy.sparse.csr": "scipy.sparse._csr",
    "__builtin__": "builtins",
}
"""Modules as the published pickles name them, and where they are now."""

_ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("scipy.sparse._csr", "csr_matrix"),
    ("collections", "defaultdict"),
    ("builtins", "list"),
}


class _Unpickler(pickle.Unpickler):
    """An unpickler of arrays, sparse matrices and plain containers."""

    def find_class(self, module: str, name: str) -> Any:
        """Import one of the few allowed classes and functions."""
        module = _RENAMED.get(module, module)
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module, name)


def unpickle(content: bytes, source: str, pinned: str, instead: str) -> Any:
    """The value of a pickle of plain data, NumPy arrays and sparse matrices.

    Args:
        content: the pickle.
        source: what to call it in a message.
        pinned: its digest, as for `check_digest`.
        instead: what the user can do where it is another file, a sentence's end.

    Raises:
        UserError: if its bytes are others than the pinned ones, before any of it is read.
    """
    check_digest(content, source, pinned, instead)
    try:  # latin1 maps the bytes of Python 2's strings to themselves
        return _Unpickler(io.BytesIO(content), encoding="latin1").load()
    except pickle.UnpicklingError as error:
        raise UserError(f"{source}: refused, {error}; {instead}") from error


def check_digest(content: bytes, source: str, pinned: str, instead: str) -> None:
    """Refuse other bytes than the pinned ones.

    Args:
        content: the bytes.
        source: what to call them in a message.
        pinned: algorithm and hexadecimal digest, such as ``sha256 23cf…``; nobody can make another
            file of a given digest, with MD5 either.
        instead: what the user can do, a sentence's end.

    Raises:
        UserError: if the digest is another.
    """
    algorithm, _, digest = pinned.partition(" ")
    found = hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()
    if found != digest:
        raise UserError(
            f"{source}: is not the published file ({algorithm} is {found}, not {digest}), and "
            f"no other is opened; {instead}"
        )


def pinned(record: Mapping[str, Any]) -> list[str]:
    """The digest that each file of a set must have, such as ``sha256 23cf…``.

    Args:
        record: of a set whose files are listed with their digests, by its publisher or, if it is a
            stand-in, by the workflow that made it.
    """
    files = [known(row) for row in downloads(REGISTRY[record["name"]].source or "")]
    if "standin" not in record:
        return [f"sha256 {file.digest('sha256')}" for file in files]
    return [f"sha256 {standin_digest(record['standin'], file.url)}" for file in files]
