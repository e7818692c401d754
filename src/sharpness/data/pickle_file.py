"""Load pickles of published data sets, but only with the expected digest.

Unpickling calls functions that the file names, so a pickle of unknown origin must not be opened.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Mapping
from typing import Any

from sharpness.data.locate import standin_digest
from sharpness.data.registry import REGISTRY, downloads
from sharpness.io.download import download_named
from sharpness.io.errors import UserError

_RENAMED = {
    "numpy.core.multiarray": "numpy._core.multiarray",
    "scipy.sparse.csr": "scipy.sparse._csr",
    "__builtin__": "builtins",
}
"""Current names of modules that the published pickles name."""

_ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("scipy.sparse._csr", "csr_matrix"),
    ("collections", "defaultdict"),
    ("builtins", "list"),
}


class _Unpickler(pickle.Unpickler):
    """An unpickler of arrays, sparse matrices and plain containers only."""

    def find_class(self, module: str, name: str) -> Any:
        module = _RENAMED.get(module, module)
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module, name)


def unpickle(content: bytes, source: str, pinned: str, instead: str) -> Any:
    """Load a pickle of plain data, NumPy arrays and sparse matrices; arguments as `check_digest`.

    Raises:
        UserError: if the digest differs, before anything is unpickled, or another class is named.
    """
    check_digest(content, source, pinned, instead)
    try:  # latin1 maps the bytes of Python 2's strings to themselves
        return _Unpickler(io.BytesIO(content), encoding="latin1").load()
    except pickle.UnpicklingError as error:
        raise UserError(f"{source}: refused, {error}; {instead}") from error


def check_digest(content: bytes, source: str, pinned: str, instead: str) -> None:
    """Raise UserError if the content does not have the pinned digest.

    ``pinned`` is algorithm and hexadecimal digest, such as ``sha256 23cf…``; nobody can make
    another file with a given digest, even with MD5. ``source`` begins the message with the file's
    name, ``instead`` ends it with what the user can do.
    """
    algorithm, _, digest = pinned.partition(" ")
    found = hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()
    if found != digest:
        raise UserError(
            f"{source}: is not the published file ({algorithm} is {found}, not {digest}), and "
            f"no other is opened; {instead}"
        )


def pinned(record: Mapping[str, Any]) -> list[str]:
    """Return the digest that each file of a data set must have, such as ``sha256 23cf…``.

    It is the publisher's or, for a stand-in, that in the list of stand-ins.
    """
    files = [download_named(row) for row in downloads(REGISTRY[record["name"]].source or "")]
    if "standin" not in record:
        return [f"sha256 {file.digest('sha256')}" for file in files]
    return [f"sha256 {standin_digest(record['standin'], file.url)}" for file in files]
