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
        """The published digest by ``md5``, ``sha256`` or ``git-blob``, if there is one."""
        for entry in self.checksum.split(";"):
            kind, _, value = entry.strip().partition(" ")
            if kind == algorithm:
                return value
        return None

    def claims(self) -> dict[str, Any]:
        """Size and digests by the names that `Claim` and `fetch` have for them."""
        kinds = {"sha256": "sha256", "md5": "md5", "git_blob": "git-blob"}
        return {"size": self.bytes, **{name: self.digest(kind) for name, kind in kinds.items()}}


@dataclass(frozen=True)
class Claim:
    """What is claimed of a file.

    Attributes:
        target: the file's final name; its pin is ``<target>.sha256``, in sha256sum's format.
        sha256: published digest.
        md5: published digest, used where there is no ``sha256``.
        git_blob: Git's name for the contents, used where there is neither.
        size: published size in bytes.
    """

    target: Path
    sha256: str | None = None
    md5: str | None = None
    git_blob: str | None = None
    size: int | None = None

    @property
    def published(self) -> bool:
        """Whether the publisher gives a digest."""
        return bool(self.sha256 or self.md5 or self.git_blob)

    def check(self, path: Path) -> None:
        """Compare size and digest with the published ones or, without these, with the pin.

        Raises:
            Problem: if they differ.
        """
        if not path.is_file():  # who opens a pipe waits for ever, and some devices never end
            raise Problem(f"{path}: is no file; delete it")
        if self.size is not None and path.stat().st_size != self.size:
            raise Problem(f"{path}: has {path.stat().st_size} bytes, not {self.size}; delete it")
        if self.sha256:
            _compare(path, "sha256", self.sha256, "published")
        elif self.md5:
            _compare(path, "md5", self.md5, "published")
        elif self.git_blob:
            _compare(path, "git-blob", self.git_blob, "published")
        elif self._pin.exists():
            with open(self._pin, "rb") as stream:  # which may hold anything, and much of it
                pinned = stream.read(64).decode("ascii", errors="replace")
            _compare(path, "sha256", pinned, f"pinned in {self._pin}")

    def pin(self, path: Path) -> None:
        """Trust a file without a published digest from now on."""
        if not self.published and not self._pin.exists():
            write_text(self._pin, f"{_digest(path, 'sha256')}  {self.target.name}\n")

    @property
    def _pin(self) -> Path:
        return self.target.with_name(self.target.name + ".sha256")


def _compare(path: Path, algorithm: str, claimed: str, where: str) -> None:
    found = _digest(path, algorithm)
    if found != claimed:
        raise Problem(
            f"{path}: {algorithm} is {found}, but {claimed!r} is {where}; delete what is wrong"
        )


def _digest(path: Path, algorithm: str) -> str:
    with open(path, "rb") as stream:
        if algorithm == "git-blob":  # SHA-1 of a header and the contents
            state = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
            return hashlib.file_digest(stream, lambda: state).hexdigest()
        return hashlib.file_digest(stream, algorithm).hexdigest()
