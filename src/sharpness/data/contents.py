"""The bytes of a small file, whole or with a reason why not."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from sharpness.problem import Problem


def contents(path: Path) -> bytes:
    """The bytes of a file, unpacked if its name ends in ``.gz``.

    Raises:
        Problem: if it cannot be read, or is damaged or cut off.
    """
    try:
        packed = path.read_bytes()
        return gzip.decompress(packed) if path.suffix == ".gz" else packed
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise Problem(f"{path}: cannot be read ({reason}); fetch it again") from error
