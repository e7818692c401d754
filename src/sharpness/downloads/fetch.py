"""Every download goes through `fetch`: verified, resumed, locked, and whole or absent.

A file lies under ``folder/HOST/PATH``, so that the folder of one machine can be the mirror of
another. Beside it may lie ``<name>.sha256`` (the pin of a file whose publisher gives no checksum),
``.<name>.lock`` (empty) and, while a transfer is unfinished, ``<name>.part``.
"""

from __future__ import annotations

import csv
import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO
from urllib.parse import quote, unquote, urlsplit

from sharpness.downloads.transfer import NotThere, Unavailable, copy, download, is_loopback
from sharpness.downloads.verification import Claim, Published
from sharpness.problem import Problem

TABLE = Path(__file__).parents[3] / "resources" / "downloads.csv"
"""The project's own list, found from the source tree (an editable install)."""

log = logging.getLogger(__name__)


class Absent(Problem):
    """The file is neither in the folder nor in the mirror, and the network is not to be asked."""


@dataclass(frozen=True)
class Download(Published):
    """What is known about a published file.

    Attributes:
        name: the project's word for it.
        url: where its publisher serves it.
        bytes: its size, where it is known.
        checksum: published digests, such as ``md5 c58f...; sha256 ...``; may be empty.
        licence: the terms, as far as stated.
        note: what it is.
    """

    name: str
    url: str
    bytes: int | None
    checksum: str
    licence: str
    note: str


def known(name: str, table: str | Path = TABLE) -> Download:
    """The row of the table of downloads that has this name.

    Raises:
        Problem: if there is none.
    """
    with open(table, encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if row["name"] == name:
                size = row.pop("bytes")
                return Download(bytes=int(size) if size else None, **row)
    raise Problem(f"{table}: has no download named {name!r}")


def fetch(
    url: str,
    folder: str | Path,
    *,
    sha256: str | None = None,
    md5: str | None = None,
    git_blob: str | None = None,
    size: int | None = None,
    mirror: str | Path | None = None,
    offline: bool = False,
    held: bool = False,
) -> Path:
    """The local copy of a published file, brought if need be and verified every time.

    Args:
        url: HTTPS; plain HTTP only of a file whose ``sha256`` is given, which proves what came.
            The query is not part of the file's place.
        folder: where downloads lie, as ``HOST/PATH``.
        sha256: published digest. Without any, the file is trusted on first use and its digest
            pinned beside it; later runs enforce the pin.
        md5: published digest, used where no ``sha256`` is given.
        git_blob: Git's name for the contents, used where neither is given.
        size: published size in bytes.
        mirror: a directory or URL laid out as ``HOST/PATH``, asked before the network. Plain HTTP
            is accepted from this machine alone.
        offline: ask nobody but the mirror.
        held: whether the caller holds the lock of the file, by `locked`.

    Returns:
        The path ``folder/HOST/PATH``.

    Raises:
        Absent: with ``offline``, if neither folder nor mirror has the file.
        Problem: in one line, whatever else keeps the file from being here, whole and genuine.
    """
    target = Path(folder) / place(url)
    if urlsplit(url).scheme == "http" and not sha256:
        raise Problem(f"{url}: is plain http, which proves nothing: give its sha256, or use https")
    claim = Claim(target, sha256, md5, git_blob, size)
    try:
        if not target.exists():
            sources = _sources(url, mirror, offline)
            if not sources:
                raise _absent(url, folder, mirror)
            with nullcontext() if held else locked(target):
                if not target.exists():
                    _bring(url, sources, claim)
                    return target
        claim.check(target)
        claim.pin(target)
    except Absent:
        raise
    except NotThere as error:
        raise (_absent(url, folder, mirror) if offline else error) from None
    except OSError as error:
        raise Problem(f"{url}: {error.filename or target}: {error.strerror or error}") from error
    return target


def reachable(
    url: str, folder: str | Path, *, mirror: str | Path | None = None, offline: bool = False
) -> bool:
    """Whether `fetch` may find the file, told without asking any server."""
    if not offline or (Path(folder) / place(url)).exists():
        return True
    sources = _sources(url, mirror, offline)
    return any(not isinstance(source, Path) or source.is_file() for source in sources)


def _bring(url: str, sources: list[str | Path], claim: Claim) -> None:
    """Transfer from the first source that has the file, check it, and give it its name."""
    part = claim.target.with_name(claim.target.name + ".part")
    if part.is_symlink():  # writing to it would write elsewhere
        part.unlink()
    for source in sources:
        try:
            if isinstance(source, Path):
                copy(source, part, claim.size)
            else:
                download(source, part, claim.size, verified=claim.published)
            break
        except Unavailable as problem:
            if source is sources[-1]:
                raise
            if not isinstance(problem, NotThere):
                log.warning("%s; asking the next source", problem)
    try:
        if isinstance(source, Path) and not claim.published:
            replace(claim, target=source).check(part)  # what the mirror's own run has pinned
        claim.check(part)
    except Problem as problem:
        part.unlink()
        raise Problem(f"{url}: refused. {problem}") from None
    claim.pin(part)
    os.replace(part, claim.target)


def _sources(url: str, mirror: str | Path | None, offline: bool) -> list[str | Path]:
    """Where to ask, in order."""
    sources: list[str | Path] = []
    if mirror is not None:
        address = str(mirror)
        parts = urlsplit(address)
        if "@" in parts.netloc:  # it would stand in logs and metadata
            raise Problem("mirror: the address must not hold a name or password; remove it")
        if "://" not in address:
            sources.append(Path(address).expanduser() / place(url))
        elif parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname)):
            sources.append(f"{address.rstrip('/')}/{quote(place(url))}")
        else:
            raise Problem(f"mirror: {address} must be a directory or an https address")
    return sources if offline else [*sources, url]


def place(url: str) -> str:
    """``HOST/PATH`` of an address."""
    parts = urlsplit(url)
    steps = unquote(parts.path).strip("/").split("/")
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise Problem(f"{url}: only https and http addresses are fetched")
    if not all(steps) or {".", ".."} & set(steps):
        raise Problem(f"{url}: names no file")
    return "/".join((parts.hostname, *steps))


def _absent(url: str, folder: str | Path, mirror: str | Path | None) -> Absent:
    known_mirror = f"the mirror {mirror}" if mirror else "a mirror (none is set)"
    return Absent(
        f"{url}: is neither in {folder} nor in {known_mirror}, and offline is true; "
        f"set `offline: false`, or `mirror` to a directory or URL that holds {place(url)}"
    )


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Keep other processes from making or deleting the same file or folder.

    A kill releases the lock. Its file may be another user's: reading it is enough.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with _lock_file(target.with_name(f".{target.name}.lock")) as stream:
        if stream is not None:
            _lock(stream, target)
        yield


def _lock(stream: IO[str], target: Path) -> None:
    """Wait for the lock; a shared one where NFS grants no other to a file open for reading."""
    for kind in (fcntl.LOCK_EX, fcntl.LOCK_SH):
        try:
            return fcntl.flock(stream, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("%s: waiting for another run that is making it", target)
            return fcntl.flock(stream, kind)
        except OSError as error:
            if error.errno != errno.EBADF or kind == fcntl.LOCK_SH:
                raise


def _lock_file(path: Path) -> AbstractContextManager[IO[str] | None]:
    """The open file of a lock, made if need be; None where no file can be made or deleted."""
    try:
        return open(path, "a")
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        return open(path) if path.exists() else nullcontext()
