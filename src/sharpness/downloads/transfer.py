"""Bytes from a server or a directory into a ``.part`` file: resumed, retried, with room for them.

Retries and their back-off are urllib3's. A transfer that was cut off goes on where it stopped if
the server says that the file is still the same, or if a published digest will tell.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.exceptions import HTTPError, MaxRetryError, ProtocolError
from urllib3.util import Retry

from sharpness.downloads.access import Session, advice
from sharpness.problem import Problem

RETRY = Retry(total=5, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and of silence."""
CHUNK = 1 << 16
"""Bytes at a time; as much is lost when a server falls silent."""

_SILENT = (requests.ConnectionError, requests.Timeout, requests.exceptions.RetryError)
"""A server that cannot be reached, or that is busy each time it is asked."""


class Unavailable(Problem):
    """The source does not give the file; another may."""


class NotThere(Unavailable):
    """The server or directory does not have the file."""


def copy(source: Path, part: Path, size: int | None) -> None:
    """Copy a file of a mirror directory to ``part``.

    Raises:
        NotThere: if there is no such file.
        Problem: if it has not the published size, or no room.
    """
    if not source.is_file():
        raise NotThere(f"{source}: no such file")
    total = source.stat().st_size
    _check(str(source), total, size, part, 0)
    _tag(part).unlink(missing_ok=True)
    with open(source, "rb") as stream:
        _write(iter(lambda: stream.read(CHUNK), b""), part, "wb", total, 0)


def download(url: str, part: Path, size: int | None, *, verified: bool) -> None:
    """Bring the file at ``url`` to ``part``, continuing what is there.

    Args:
        url: HTTPS; plain HTTP where the caller knows what must come, or asks this machine. A
            redirection to another server's plain HTTP is refused.
        part: the unfinished file.
        size: published size in bytes.
        verified: whether a published digest guards against mixing two versions of the file.

    Raises:
        NotThere: if the server says so.
        Unavailable: any other answer than the file, or none after all retries.
        Problem: if there is no room, or the body is still cut off after all retries.
    """
    retry, furthest = RETRY, 0
    with _session(url) as session:
        while True:
            try:
                return _attempt(session, url, part, size, verified)
            except requests.RequestException as error:
                problem = Unavailable if isinstance(error, _SILENT) else Problem
                raise problem(f"{url}: {_cause(error)}") from error
            except HTTPError as error:  # the body was cut off or the server fell silent
                if _length(part) > furthest:
                    retry, furthest = RETRY, _length(part)
                try:
                    retry = retry.increment("GET", url, error=error)
                except MaxRetryError:
                    raise Problem(
                        f"{url}: cut off after {furthest} bytes ({_cause(error)}); "
                        "run again to continue"
                    ) from error
                retry.sleep()


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine."""
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def _attempt(
    session: requests.Session, url: str, part: Path, size: int | None, verified: bool
) -> None:
    """One request, and its body."""
    offset, headers = _resumption(part, verified)
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        content = response.headers.get("Content-Range", "")
        if response.status_code == 416 and offset:
            if content != f"bytes */{offset}":
                part.unlink()
                raise ProtocolError("the server has less of the file than is here")
            return
        if response.status_code in (404, 410):
            raise NotThere(f"{url}: not found (HTTP {response.status_code})")
        resumed = response.status_code == 206 and content.startswith(f"bytes {offset}-")
        if response.status_code != 200 and not resumed:
            hint = advice(response.url) if response.status_code in (401, 403) else ""
            raise Unavailable(f"{url}: HTTP {response.status_code} {response.reason}{hint}")
        offset = offset if resumed else 0
        length = response.headers.get("Content-Length")
        total = size if length is None else offset + int(length)
        _check(url, total, size, part, offset)
        if not resumed:
            _remember(response, part)
        chunks = response.raw.stream(CHUNK, decode_content=False)
        _write(chunks, part, "ab" if resumed else "wb", total, offset)
    if total is not None and _length(part) != total:
        raise ProtocolError(f"{_length(part)} bytes of {total}")
    _tag(part).unlink(missing_ok=True)


def _session(url: str) -> Session:
    """A session that speaks HTTPS, and plain HTTP to nobody but the server of such an address."""
    session = Session()
    session.adapters.clear()
    session.mount("https://", HTTPAdapter(max_retries=RETRY))
    parts = urlsplit(url)
    if parts.scheme == "http":
        session.mount(f"http://{parts.netloc}/", HTTPAdapter(max_retries=RETRY))
    return session


def _resumption(part: Path, verified: bool) -> tuple[int, dict[str, str]]:
    """How much is there already, and the headers that ask for the rest."""
    headers = {"Accept-Encoding": "identity"}
    offset, tag = _length(part), _tag(part)
    if not offset or not (verified or tag.exists()):
        return 0, headers
    if tag.exists():
        headers["If-Range"] = tag.read_text(encoding="utf-8")
    return offset, {**headers, "Range": f"bytes={offset}-"}


def _remember(response: requests.Response, part: Path) -> None:
    """Keep what identifies this version of the file, for a later continuation."""
    _tag(part).unlink(missing_ok=True)
    etag = response.headers.get("ETag", "")
    strong = etag if etag.startswith('"') else response.headers.get("Last-Modified")
    if strong:
        _tag(part).write_text(strong, encoding="utf-8")


def _write(
    chunks: Iterator[bytes], part: Path, mode: Literal["ab", "wb"], total: int | None, done: int
) -> None:
    """Write the chunks behind what is done, and show how far it is."""
    bar = tqdm(
        desc=part.name.removesuffix(".part"),
        total=total,
        initial=done,
        unit="B",
        unit_scale=True,
        file=sys.stderr,
        mininterval=0.5 if sys.stderr.isatty() else 30,
    )
    with bar, open(part, mode) as stream:
        for chunk in chunks:
            stream.write(chunk)
            bar.update(len(chunk))


def _check(source: str, total: int | None, size: int | None, part: Path, done: int) -> None:
    """Refuse a file of the wrong size, or one for which there is no room."""
    if size is not None and total != size:
        raise Problem(f"{source}: has {total} bytes, not the published {size}")
    free = shutil.disk_usage(part.parent).free
    if total is not None and total - done > free:
        raise Problem(
            f"{source}: needs {total - done} bytes, but {part.parent} has {free} free; make room"
        )


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _tag(part: Path) -> Path:
    return part.with_name(part.name + ".tag")


def _cause(error: Exception) -> str:
    """The innermost reason, in one line."""
    inner: object = error
    while isinstance(inner, Exception) and inner.args and isinstance(inner.args[0], Exception):
        inner = inner.args[0]
    reason = getattr(inner, "reason", None) or inner
    return " ".join(str(reason).split()) or type(error).__name__
