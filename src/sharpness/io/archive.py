"""Archives that others made: what a damaged one raises, and how much may come out of one."""

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
"""Files and folders in one archive; the largest published one has about 52,000."""
RATIO = 20
"""How much larger the contents may be than their archive. Texts shrink to a fifth, photos hardly,
long runs of one byte to a thousandth."""
SLACK = 64 << 20
"""Bytes that may come out of the smallest archive."""

BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OverflowError,
    RuntimeError,  # a password is asked for, or a later version of the format
    ValueError,  # among others, a NUL in a name
)
"""What reading a damaged archive raises, beside an OSError without a number."""

_LONGEST = 1 << 20
_EXTENSIONS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


@contextmanager
def damage(what: str) -> Iterator[None]:
    """Make one line of whatever a damaged archive raises; what the disk raises passes.

    Args:
        what: the sentence to begin with, such as ``x.zip: is no whole archive``.

    Raises:
        UserError: also from within the block.
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
    """How many bytes may come out of an archive, ``most`` at the most."""
    return min(most, RATIO * path.stat().st_size + SLACK)


def tar_members(
    path: Path, most: int, members: int = MEMBERS
) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """The open archive and each of its members, before much of it is unpacked.

    Args:
        path: a tar, plain or gzipped, whatever it is called.
        most: bytes that may come out of it.
        members: how many there may be.

    Raises:
        UserError: if there are more, or one lies about its size; damage raises what ``BROKEN``
            says.
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
            bound(path, count, total, members, limit)
            yield archive, member
        _check_rest(path, archive)


def bound(path: Path, count: int, total: int, members: int, limit: int) -> None:
    """Refuse an archive of too many members or bytes."""
    if count > members or total > limit:
        raise UserError(f"{path}: refused: more than {members} files or {limit} bytes come out")


def _check_rest(path: Path, archive: tarfile.TarFile) -> None:
    """Read on to the end, where a compressed file has its checksum."""
    rest = 0
    while archive.fileobj and (piece := archive.fileobj.read(1 << 20)):
        rest += len(piece)
        if rest > SLACK:
            raise UserError(f"{path}: refused: goes on behind its end")


class _Member(tarfile.TarInfo):
    """A header; one that has a long name behind it is read into memory whole, so it is short."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Read a header, and refuse to read much more for it."""
        member = super().frombuf(buf, encoding, errors)
        if member.type in _EXTENSIONS and not 0 <= member.size <= _LONGEST:
            raise tarfile.ReadError(f"a name of {member.size} bytes")
        return member
