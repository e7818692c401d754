"""Transfer files from a server or a directory to a ``.part`` file, with resuming and retries.

A transfer that was cut off is resumed if the server says that the file is unchanged, or if a
published digest can verify the result. The token in ``HF_TOKEN`` is sent to huggingface.co only.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.exceptions import HTTPError, ProtocolError
from urllib3.util import Retry

from sharpness.io.errors import UserError
from sharpness.io.files import write_text

RETRY = Retry(total=5, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and seconds without data."""
CHUNK = 1 << 16
"""Bytes per write; at most as much is lost when a server stops sending."""
HOST = "huggingface.co"
VARIABLE = "HF_TOKEN"


class Unavailable(UserError):
    """The source does not give the file; another one may."""


class NotThere(Unavailable):
    """The server or directory does not have the file."""


def copy(source: Path, part: Path) -> None:
    """Copy a file of a mirror directory to ``part``."""
    _tag(part).unlink(missing_ok=True)
    shutil.copyfile(source, part)


def download(url: str, part: Path, claim: Checksum) -> None:
    """Download ``url`` to ``part``, resuming a partial file.

    Raises:
        NotThere: if the server does not have the file.
        Unavailable: if the server does not give the complete file after all retries.
        UserError: if there is too little disk space, the size is not the published one, or the URL
            is plain HTTP without a SHA-256 to verify the file.
    """
    server = urlsplit(url)
    if server.scheme != "https" and not (
        "sha256" in claim.checksum or is_loopback(server.hostname)
    ):
        raise UserError(
            f"{url}: is plain http, which proves nothing: give its sha256, or use https"
        )
    failures = furthest = 0
    with _session(url) as session:
        while True:
            try:
                return _attempt(session, url, part, claim)
            except requests.RequestException as error:
                raise Unavailable(f"{url}: {_cause(error)}") from error
            except HTTPError as error:  # the body was cut off or the server fell silent
                failures = 1 if _length(part) > furthest else failures + 1
                furthest = max(furthest, _length(part))
                if failures > (RETRY.total or 0):
                    said = f"{url}: cut off after {furthest} bytes ({_cause(error)})"
                    raise Unavailable(f"{said}; run again to continue") from error
                time.sleep(RETRY.backoff_factor * 2**failures)


def is_loopback(host: str | None) -> bool:
    """Return whether a host is this machine."""
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def trusted(url: str | None) -> bool:
    """Return whether the token may be sent to a URL."""
    parts = urlsplit(url or "")
    return (parts.scheme, parts.netloc) == ("https", HOST)


def _session(url: str) -> requests.Session:
    """Create a session for HTTPS, and for plain HTTP only to the server of ``url``."""
    session = requests.Session()
    session.auth = _authorize  # requests drops the token on a redirect to another host
    session.adapters.clear()
    parts = urlsplit(url)
    for prefix in ("https://", f"{parts.scheme}://{parts.netloc}/"):
        session.mount(prefix, HTTPAdapter(max_retries=RETRY))
    return session


def _authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Add the token to a request, if it goes to the token's host."""
    token = os.environ.get(VARIABLE, "").strip()
    if token and trusted(request.url):
        if not (token.isascii() and token.isprintable()):  # requests would show it in an error
            raise UserError(f"{VARIABLE}: holds a character that no token has; set it anew")
        request.headers["Authorization"] = f"Bearer {token}"
    return request


def _attempt(session: requests.Session, url: str, part: Path, claim: Checksum) -> None:
    tag, offset = _tag(part), _length(part)
    version = tag.read_text(encoding="utf-8") if tag.exists() else ""
    headers = {"Accept-Encoding": "identity"}
    if offset and (version or claim.checksum):
        headers |= {"Range": f"bytes={offset}-"} | ({"If-Range": version} if version else {})
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        code, told = response.status_code, response.headers
        if code == 416 and offset:
            part.unlink()
            raise ProtocolError("the server has no more of the file than is here")
        resumed = code == 206 and told.get("Content-Range", "").startswith(f"bytes {offset}-")
        if code != 200 and not resumed:
            gated = code in (401, 403) and trusted(response.url)
            hint = f"; set {VARIABLE} to a token of {HOST} that may read it" if gated else ""
            problem = NotThere if code in (404, 410) else Unavailable
            raise problem(f"{url}: HTTP {code} {response.reason}{hint}")
        offset = offset if resumed else 0
        total = offset + int(told["Content-Length"]) if "Content-Length" in told else claim.size
        if claim.size is not None and total != claim.size:
            raise UserError(f"{url}: has {total} bytes, not the published {claim.size}")
        free = shutil.disk_usage(part.parent).free
        if total is not None and total - offset > free:
            raise UserError(
                f"{url}: has {total} bytes, but {part.parent} has {free} free; make room"
            )
        if not resumed:  # to recognize this version of the file when resuming
            etag = told.get("ETag", "")
            version = etag if etag.startswith('"') else told.get("Last-Modified", "")
            tag.write_text(version, encoding="utf-8")
        _write(response.raw, part, "ab" if resumed else "wb", total, offset)
    tag.unlink(missing_ok=True)


def _write(body: Any, part: Path, mode: Literal["ab", "wb"], total: int | None, done: int) -> None:
    """Write a response's body after the first ``done`` bytes, with a progress bar."""
    shown: dict[str, Any] = {"desc": part.name.removesuffix(".part"), "total": total}
    shown |= {"initial": done, "mininterval": 0.5 if sys.stderr.isatty() else 30}
    with open(part, mode) as stream, tqdm.wrapattr(stream, "write", **shown) as out:
        shutil.copyfileobj(body, out, CHUNK)


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _tag(part: Path) -> Path:
    return part.with_name(part.name + ".tag")


def _cause(error: Exception) -> str:
    """Return the innermost reason, in one line."""
    inner = error.args[0] if error.args and isinstance(error.args[0], Exception) else error
    return " ".join(str(getattr(inner, "reason", None) or inner).split())


class PublishedFile:
    """A file whose publisher may state its size and digests.

    Attributes:
        bytes: published size.
        checksum: published digests, such as ``md5 c58f...; sha256 ...``; may be empty.
    """

    bytes: int | None
    checksum: str

    def digest(self, algorithm: str) -> str | None:
        """Return the published digest by an algorithm, if there is one."""
        return _digests(self.checksum).get(algorithm)

    def claims(self) -> dict[str, Any]:
        """Return size and digests as keyword arguments of `Checksum` and `fetch`."""
        return {"size": self.bytes, "checksum": self.checksum}


@dataclass(frozen=True)
class Checksum:
    """The expected size and digests of a file.

    Attributes:
        target: final path of the file; its pin is ``<target>.sha256``, in sha256sum's format.
        size: published size in bytes.
        checksum: published digests, as in `PublishedFile`; without any, the pin counts.
    """

    target: Path
    size: int | None = None
    checksum: str = ""

    def check(self, path: Path) -> None:
        """Raise UserError if size or digest of ``path`` are not the expected ones."""
        size = path.stat().st_size
        if self.size not in (None, size):
            raise UserError(f"{path}: has {size} bytes, not the published {self.size}; delete it")
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
            raise UserError(
                f"{path}: {algorithm} is {found}, but {claimed!r} is {where}; delete what is wrong"
            )

    def pin(self, path: Path) -> None:
        """Pin the digest of a file that has no published one; later checks compare with it."""
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
