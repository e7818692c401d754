"""Read untrusted NumPy files: no objects, and no more memory than the file has bytes."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from sharpness.io.archive import BROKEN, archive_errors
from sharpness.io.errors import UserError

Array = NDArray[Any]

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_header(stream: IO[bytes], source: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, Fortran order and dtype of an ``.npy`` stream; raise UserError if damaged."""
    try:
        return _HEADERS[npy.read_magic(stream)](stream)
    except OSError:
        raise
    except Exception as error:  # a damaged header may raise anything
        raise _unreadable(source, error) from error


def read_npy(path: Path) -> Array:
    """Read an ``.npy`` file; raise UserError if damaged, of objects or not as large as stated."""
    with open(path, "rb") as stream:
        return _read(stream, path.stat().st_size, str(path))


def read_npz(path: Path, most: int, names: Collection[str] | None = None) -> dict[str, Array]:
    """Read arrays of an ``.npz`` file, of at most ``most`` bytes together.

    ``names`` are the wanted arrays, as far as the file has them; None means all.

    Raises:
        UserError: if the file is broken, holds anything but arrays of numbers, or exceeds ``most``.
    """
    with archive_errors(f"{path}: is no whole .npz file"), zipfile.ZipFile(path) as stored:
        found = {info.filename.removesuffix(".npy"): info for info in stored.infolist()}
        wanted = {name: info for name, info in found.items() if names is None or name in names}
        total = sum(info.file_size for info in wanted.values())
        if total > most:
            raise UserError(f"{path}: unpacks to {total} bytes; {most} are the most that can be")
        arrays = {}
        for name, info in wanted.items():
            with stored.open(info) as stream:
                arrays[name] = _read(stream, info.file_size, f"{path}: array {name}")
        return arrays


def _read(stream: IO[bytes], length: int, source: str) -> Array:
    """Read the array of a file of ``length`` bytes, which its header must account for."""
    shape, _, dtype = read_header(stream, source)
    size, left = math.prod(shape) * dtype.itemsize, length - stream.tell()
    if size != left and not dtype.hasobject:  # objects are refused below
        raise _unreadable(source, f"{left} bytes do not fill its shape {shape} of {dtype}")
    stream.seek(0)
    try:
        return np.asarray(np.load(stream, allow_pickle=False))
    except (MemoryError, *BROKEN) as error:
        raise _unreadable(source, error) from error


def _unreadable(source: str, reason: object) -> UserError:
    reason = " ".join(str(reason).split()) or type(reason).__name__
    return UserError(f"{source}: is no readable array ({reason}); fetch it again")
