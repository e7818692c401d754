"""The bytes of a small file, whole or with a reason why not."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import IO, cast

from sharpness.problem import Problem

MOST = 64 << 20
"""Bytes of a small file, unpacked; the largest published one has 47 million."""


def contents(path: Path) -> bytes:
    """The bytes of a file, unpacked if its name ends in ``.gz``.

    Raises:
        Problem: if it cannot be read, is damaged or cut off, or holds more than `MOST` bytes.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as stream:
            return bounded(cast(IO[bytes], stream), f"{path}:")
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise Problem(f"{path}: cannot be read ({reason}); fetch it again") from error


def bounded(stream: IO[bytes], what: str) -> bytes:
    """The rest of a stream.

    Args:
        stream: of a small file.
        what: how a message about it begins.

    Raises:
        Problem: if it is longer than `MOST` bytes.
    """
    content = stream.read(MOST + 1)
    if len(content) > MOST:
        raise Problem(f"{what} holds more than {MOST} bytes; fetch it again")
    return content
