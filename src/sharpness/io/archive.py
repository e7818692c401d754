"""Safe reading of published archives and NumPy files: errors of damaged ones, and limits.

Of NumPy files, objects are refused, and no more memory is taken than the file has bytes.
"""

from __future__ import annotations

import errno
import lzma
import math
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal, Self

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from sharpness.io.errors import UserError

MEMBERS = 250_000
"""Limit on the files and folders of an archive; the largest published one has about 52,000."""
RATIO = 20
"""Limit on the ratio of contents to archive. Texts shrink to a fifth, photos hardly, long runs of
one byte to a thousandth."""
SLACK = 64 << 20
"""Bytes that even the smallest archive may unpack to."""

BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OverflowError,
    RuntimeError,  # encrypted, or a later version of the format
    ValueError,  # such as a NUL in a name
)
"""Exceptions from reading a damaged archive, besides an OSError without a number."""

_LONGEST = 1 << 20
_EXTENSIONS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


@contextmanager
def archive_errors(what: str) -> Iterator[None]:
    """Turn errors of a damaged archive into a UserError; errors of the disk pass unchanged.

    ``what`` is the start of the message, such as ``x.zip: is no whole archive``.
    """
    try:
        yield
    except UserError:
        raise
    except (*BROKEN, OSError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{what} ({reason}); fetch it again") from error


def allowance(path: Path, most: int) -> int:
    """Return how many bytes an archive may unpack to, ``most`` at the most."""
    return min(most, RATIO * path.stat().st_size + SLACK)


def tar_members(
    path: Path, most: int, members: int = MEMBERS
) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield the open archive with each of its members, checking limits before unpacking.

    ``path`` is a tar, plain or gzipped, whatever its suffix; ``most`` limits the unpacked bytes.

    Raises:
        UserError: if a limit is exceeded or a size is false; damage raises one of ``BROKEN``.
    """
    limit = allowance(path, most)
    with open(path, "rb") as stream:
        mode: Literal["r:", "r:gz"] = "r:gz" if stream.read(2) == b"\x1f\x8b" else "r:"
    with tarfile.open(path, mode, tarinfo=_Member) as archive:
        total = 0
        for count, member in enumerate(archive, 1):
            total += member.size
            if member.size < 0 or member.issparse():
                raise UserError(f"{path}: refused: {member.name} has holes, or less than no bytes")
            check_limits(path, count, total, members, limit)
            yield archive, member
        _check_rest(path, archive)


def check_limits(path: Path, count: int, total: int, members: int, limit: int) -> None:
    """Raise UserError if an archive has too many members or bytes."""
    if count > members or total > limit:
        raise UserError(f"{path}: refused: more than {members} files or {limit} bytes come out")


def _check_rest(path: Path, archive: tarfile.TarFile) -> None:
    """Read to the end, where a compressed file has its checksum."""
    rest = 0
    while archive.fileobj and (piece := archive.fileobj.read(1 << 20)):
        rest += len(piece)
        if rest > SLACK:
            raise UserError(f"{path}: refused: goes on behind its end")


class _Member(tarfile.TarInfo):
    """A tar header; a long name behind it is read into memory whole, so its size is limited."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        member = super().frombuf(buf, encoding, errors)
        if member.type in _EXTENSIONS and not 0 <= member.size <= _LONGEST:
            raise tarfile.ReadError(f"a name of {member.size} bytes")
        return member


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
