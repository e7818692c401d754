"""NumPy's own files without trust in them: no objects, and no more memory than there are bytes."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from sharpness.archives import damage
from sharpness.problem import Problem

Array = NDArray[Any]
Header = tuple[tuple[int, ...], bool, np.dtype[Any]]

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_header(stream: IO[bytes], source: str) -> Header:
    """Shape, whether columns come first, and type of an ``.npy`` file.

    Raises:
        Problem: naming the source, if it is no such file.
    """
    try:
        shape, columns_first, dtype = _HEADERS[np.lib.format.read_magic(stream)](stream)
    except OSError:
        raise
    except Exception as error:  # a damaged header may raise anything
        reason = str(error) or type(error).__name__
        raise Problem(f"{source}: is no readable array ({reason}); fetch it again") from error
    return shape, columns_first, dtype


def read_array(stream: IO[bytes], length: int, source: str) -> Array:
    """The array of an ``.npy`` file, read-only.

    Args:
        stream: at its start.
        length: of the file in bytes, which its header must account for.
        source: what to call it in a message.

    Raises:
        Problem: naming the source, if it is no such file, holds objects or is cut off.
    """
    shape, columns_first, dtype = read_header(stream, source)
    if dtype.hasobject:
        raise Problem(f"{source}: is no readable array (it holds objects, which are not unpickled)")
    size, left = math.prod(shape) * dtype.itemsize, length - stream.tell()
    content = stream.read(left) if size == left and min(shape, default=0) >= 0 else b""
    if len(content) != size:
        raise Problem(
            f"{source}: is no readable array ({left} bytes, which do not fill its shape {shape} "
            f"of {dtype}); fetch it again"
        )
    return np.ndarray(shape, dtype, content, order="F" if columns_first else "C")


def read_npy(path: Path) -> Array:
    """The array of a file of its own, read-only; see ``read_array``."""
    with open(path, "rb") as stream:
        return read_array(stream, path.stat().st_size, str(path))


def read_npz(path: Path, most: int, names: Collection[str] | None = None) -> dict[str, Array]:
    """Arrays of an ``.npz`` file, each read-only.

    Args:
        path: the file.
        most: bytes that they may have together.
        names: the wanted ones; None is all. Those that are not there are not in the result.

    Raises:
        Problem: naming the file and, where it is known, the array; if the file is broken, holds
            anything else than arrays of numbers, one of them twice, or more than is allowed.
    """
    with damage(f"{path}: is no whole .npz file"), zipfile.ZipFile(path) as stored:
        found = {_name(info, path): info for info in stored.infolist()}
        if len(found) != len(stored.infolist()):
            raise Problem(f"{path}: holds an array twice; fetch it again")
        wanted = {name: info for name, info in found.items() if names is None or name in names}
        total = sum(info.file_size for info in wanted.values())
        if total > most:
            raise Problem(f"{path}: unpacks to {total} bytes; {most} are the most that can be")
        return {name: _member(stored, info, name, path) for name, info in wanted.items()}


def _name(info: zipfile.ZipInfo, path: Path) -> str:
    if not info.filename.endswith(".npy"):
        raise Problem(f"{path}: {info.filename} is no array; wrong format?")
    return info.filename.removesuffix(".npy")


def _member(stored: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, path: Path) -> Array:
    with damage(f"{path}: array {name} cannot be read"), stored.open(info) as stream:
        return read_array(stream, info.file_size, f"{path}: array {name}")
