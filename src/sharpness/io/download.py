"""Download files with `fetch`: verified, resumed, locked, and either complete or absent.

A file is stored as ``folder/HOST/PATH``, so that the folder of one machine can be the mirror of
another. Beside it there may be ``<name>.sha256`` (the pin of a file without a published checksum),
``.<name>.lock`` (empty) and, while a transfer is unfinished, ``<name>.part``.
"""

from __future__ import annotations

import csv
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from sharpness.io.errors import UserError
from sharpness.io.transfer import Checksum, NotThere, PublishedFile, Unavailable, copy, download

TABLE = Path(__file__).parents[3] / "resources" / "downloads.csv"
"""The project's list of downloads; the path assumes an editable install."""

log = logging.getLogger(__name__)


class Absent(UserError):
    """Data are missing, and cannot or must not be downloaded."""


@dataclass(frozen=True)
class Download(PublishedFile):
    """A published file, described by a row of ``downloads.csv``.

    Attributes:
        bytes: size, if known.
        checksum: published digests, as in `PublishedFile`.
    """

    name: str
    url: str
    bytes: int | None
    checksum: str
    licence: str
    note: str


def download_named(name: str) -> Download:
    """Return the row of ``downloads.csv`` with this name; raise UserError if there is none."""
    with open(TABLE, encoding="utf-8-sig", newline="") as stream:
        for row in csv.DictReader(stream):
            if row["name"] == name:
                size = row.pop("bytes")
                return Download(bytes=int(size) if size else None, **row)
    raise UserError(f"{TABLE}: has no download named {name!r}")


def fetch(
    url: str,
    folder: str | Path,
    *,
    size: int | None = None,
    checksum: str = "",
    mirror: str | Path | None = None,
    offline: bool = False,
    held: bool = False,
) -> Path:
    """Return the path of the local copy of a file, downloaded if necessary, verified every time.

    Args:
        url: HTTPS; plain HTTP only with a SHA-256 in ``checksum``. The query is not part of the
            local path.
        folder: of all downloads; the file is ``folder/HOST/PATH``.
        size: published size in bytes.
        checksum: published digests, as in `PublishedFile`. Without any, the file is trusted on
            first use and its digest pinned beside it; later runs enforce the pin.
        mirror: a directory or URL laid out as ``HOST/PATH``, tried before the network.
        offline: use only the mirror.
        held: whether the caller holds the lock of the file, by `locked`.

    Raises:
        Absent: with ``offline``, if neither folder nor mirror has the file.
        UserError: for any other reason why there is no complete and genuine file.
    """
    target = Path(folder) / place(url)
    claim = Checksum(target, size, checksum)
    absent = Absent(
        f"{url}: is neither in {folder} nor in {f'the mirror {mirror}' if mirror else 'a mirror'}, "
        f"and offline is true; set `offline: false`, or `mirror` to a directory or URL that holds "
        f"{place(url)}"
    )
    try:
        if not target.exists():
            sources = _sources(url, mirror, offline)
            if not sources:
                raise absent
            with nullcontext() if held else locked(target):
                if not target.exists():
                    _bring(sources, claim)
                    return target
        claim.check(target)
        claim.pin(target)
    except NotThere as error:
        raise (absent if offline else error) from None
    except OSError as error:
        raise UserError(f"{url}: {error.filename or target}: {error.strerror or error}") from error
    return target


def reachable(
    url: str, folder: str | Path, *, mirror: str | Path | None = None, offline: bool = False
) -> bool:
    """Return whether `fetch` may find the file, without asking a server."""
    return (Path(folder) / place(url)).exists() or bool(_sources(url, mirror, offline))


def place(url: str) -> str:
    """Return ``HOST/PATH`` of a URL; raise UserError if it names no file or is not http(s)."""
    parts = urlsplit(url)
    steps = unquote(parts.path).strip("/").split("/")
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise UserError(f"{url}: only https and http addresses are fetched")
    if not all(steps) or {".", ".."} & set(steps):
        raise UserError(f"{url}: names no file")
    return "/".join((parts.hostname, *steps))


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Lock a file or folder against creation or deletion by other processes.

    A kill releases the lock. In a read-only folder nothing is locked, as nothing can be created.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(target.parent, os.W_OK):
        yield
        return
    with open(target.with_name(f".{target.name}.lock"), "a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("%s: waiting for another run that is making it", target)
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _sources(url: str, mirror: str | Path | None, offline: bool) -> list[str | Path]:
    """Return where to look, in order; a mirror directory only if it has the file."""
    network: list[str | Path] = [] if offline else [url]
    if mirror is None:
        return network
    if "://" not in str(mirror):
        path = Path(mirror).expanduser() / place(url)
        return [path, *network] if path.is_file() else network
    if "@" in str(mirror):  # it would appear in logs and metadata
        raise UserError("mirror: the address must not hold a name or password; remove it")
    return [f"{str(mirror).rstrip('/')}/{quote(place(url))}", *network]


def _bring(sources: list[str | Path], claim: Checksum) -> None:
    """Transfer from the first source that has the file, verify and rename it."""
    part = claim.target.with_name(claim.target.name + ".part")
    for source in sources:
        try:
            if isinstance(source, Path):
                copy(source, part)
            else:
                download(source, part, claim)
            break
        except Unavailable as problem:
            if source is sources[-1]:
                raise
            if not isinstance(problem, NotThere):
                log.warning("%s; asking the next source", problem)
    try:
        if isinstance(source, Path) and not claim.checksum:
            replace(claim, target=source).check(part)  # against the mirror's own pin
        claim.check(part)
    except UserError as problem:
        part.unlink()
        raise UserError(f"{source}: refused. {problem}") from None
    claim.pin(part)
    os.replace(part, claim.target)
