"""Bytes from a server or a directory into a ``.part`` file: resumed, retried, with room for them.

A transfer that was cut off goes on where it stopped if the server says that the file is still the
same, or if a published digest will tell. The token in ``HF_TOKEN`` goes to huggingface.co alone.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.exceptions import HTTPError, ProtocolError
from urllib3.util import Retry

from sharpness.downloads.verification import Claim
from sharpness.problem import Problem

RETRY = Retry(total=5, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and of silence."""
CHUNK = 1 << 16
"""Bytes at a time; as much is lost when a server falls silent."""
HOST = "huggingface.co"
VARIABLE = "HF_TOKEN"


class Unavailable(Problem):
    """The source does not give the file; another may."""


class NotThere(Unavailable):
    """The server or directory does not have the file."""


def copy(source: Path, part: Path) -> None:
    """Copy a file of a mirror directory to ``part``."""
    _tag(part).unlink(missing_ok=True)
    shutil.copyfile(source, part)


def download(url: str, part: Path, claim: Claim) -> None:
    """Bring the file at ``url`` to ``part``, continuing what is there.

    Raises:
        NotThere: if the server says so.
        Unavailable: any other answer than the file, or none, or a part of it, after all retries.
        Problem: if there is no room, the size is not the published one, or what comes by plain
            HTTP could be tampered with on the way and bears no proof.
    """
    server = urlsplit(url)
    if server.scheme != "https" and not (
        "sha256" in claim.checksum or is_loopback(server.hostname)
    ):
        raise Problem(f"{url}: is plain http, which proves nothing: give its sha256, or use https")
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
    """Whether a host is this machine."""
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def trusted(url: str | None) -> bool:
    """Whether an address may see the token."""
    parts = urlsplit(url or "")
    return (parts.scheme, parts.netloc) == ("https", HOST)


def _session(url: str) -> requests.Session:
    """A session that speaks HTTPS, and plain HTTP to nobody but the server of such an address."""
    session = requests.Session()
    session.auth = _authorize  # requests takes it back where it is led to another server
    session.adapters.clear()
    parts = urlsplit(url)
    for prefix in ("https://", f"{parts.scheme}://{parts.netloc}/"):
        session.mount(prefix, HTTPAdapter(max_retries=RETRY))
    return session


def _authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Give the token to its host alone."""
    token = os.environ.get(VARIABLE, "").strip()
    if token and trusted(request.url):
        if not (token.isascii() and token.isprintable()):  # an error of requests would show it
            raise Problem(f"{VARIABLE}: holds a character that no token has; set it anew")
        request.headers["Authorization"] = f"Bearer {token}"
    return request


def _attempt(session: requests.Session, url: str, part: Path, claim: Claim) -> None:
    """One request, and its body."""
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
            raise Problem(f"{url}: has {total} bytes, not the published {claim.size}")
        free = shutil.disk_usage(part.parent).free
        if total is not None and total - offset > free:
            raise Problem(f"{url}: has {total} bytes, but {part.parent} has {free} free; make room")
        if not resumed:  # what identifies this version of the file, for a later continuation
            etag = told.get("ETag", "")
            version = etag if etag.startswith('"') else told.get("Last-Modified", "")
            tag.write_text(version, encoding="utf-8")
        _write(response.raw, part, "ab" if resumed else "wb", total, offset)
    tag.unlink(missing_ok=True)


def _write(body: Any, part: Path, mode: Literal["ab", "wb"], total: int | None, done: int) -> None:
    """Write a response's body behind what is done, and show how far it is."""
    shown: dict[str, Any] = {"desc": part.name.removesuffix(".part"), "total": total}
    shown |= {"initial": done, "mininterval": 0.5 if sys.stderr.isatty() else 30}
    with open(part, mode) as stream, tqdm.wrapattr(stream, "write", **shown) as out:
        shutil.copyfileobj(body, out, CHUNK)


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _tag(part: Path) -> Path:
    return part.with_name(part.name + ".tag")


def _cause(error: Exception) -> str:
    """The innermost reason, in one line."""
    inner = error.args[0] if error.args and isinstance(error.args[0], Exception) else error
    return " ".join(str(getattr(inner, "reason", None) or inner).split())
