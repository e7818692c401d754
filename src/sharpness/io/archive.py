"""Safe reading of published archives: errors of damaged ones, and limits on their contents."""

from __future__ import annotations

import errno
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Self

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
