"""Whether a file is what its publisher, or an earlier download, says that it is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sharpness.files import write_text
from sharpness.problem import Problem


class Published:
    """A file of which its publisher may state the size and digests.

    Attributes:
        bytes: published size.
        checksum: published digests, such as ``md5 c58f...; sha256 ...``; may be empty.
    """

    bytes: int | None
    checksum: str

    def digest(self, algorithm: str) -> str | None:
        """The published digest by an algorithm, if there is one."""
        return _digests(self.checksum).get(algorithm)

    def claims(self) -> dict[str, Any]:
        """Size and digests by the names that `Claim` and `fetch` have for them."""
        return {"size": self.bytes, "checksum": self.checksum}


@dataclass(frozen=True)
class Claim:
    """What is claimed of a file.

    Attributes:
        target: the file's final name; its pin is ``<target>.sha256``, in sha256sum's format.
        size: published size in bytes.
        checksum: published digests, as in `Published`; without any, the pin counts.
    """

    target: Path
    size: int | None = None
    checksum: str = ""

    def check(self, path: Path) -> None:
        """Compare size and digest with what is claimed.

        Raises:
            Problem: if they differ.
        """
        size = path.stat().st_size
        if self.size not in (None, size):
            raise Problem(f"{path}: has {size} bytes, not the published {self.size}; delete it")
        published = _digests(self.checksum)
        if published:
            algorithm = next(name for name in ("sha256", "md5", "git-blob") if name in published)
            claimed, where = published[algorithm], "published"
        elif self._pin.exists():
            algorithm, claimed = "sha256", self._pin.read_text(errors="replace")[:64]
            where = f"pinned in {self._pin}"
        else:
            return
        found = _digest(path, algorithm)
        if found != claimed:
            raise Problem(
                f"{path}: {algorithm} is {found}, but {claimed!r} is {where}; delete what is wrong"
            )

    def pin(self, path: Path) -> None:
        """Trust a file without a published digest from now on."""
        if not self.checksum and not self._pin.exists():
            write_text(self._pin, f"{_digest(path, 'sha256')}  {self.target.name}\n")

    @property
    def _pin(self) -> Path:
        return self.target.with_name(self.target.name + ".sha256")


def _digests(checksum: str) -> dict[str, str]:
    return dict(entry.split() for entry in checksum.split(";") if entry.strip())


def _digest(path: Path, algorithm: str) -> str:
    with open(path, "rb") as stream:
        if algorithm == "git-blob":  # SHA-1 of a header and the contents
            state = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
            return hashlib.file_digest(stream, lambda: state).hexdigest()
        return hashlib.file_digest(stream, algorithm).hexdigest()
