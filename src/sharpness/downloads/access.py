"""Who is asked by what name: huggingface.co with the token in ``HF_TOKEN``, nobody else with any.

Neither ``~/.netrc`` nor the file of huggingface_hub is read: what they hold was not given for this.
Proxies and certificates from the environment are heeded.
"""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from sharpness.problem import Problem

VARIABLE = "HF_TOKEN"
HOST = "huggingface.co"

_TOKEN = re.compile(r"[!-~]+")


def trusted(url: str | None) -> bool:
    """Whether an address may see the token."""
    parts = urlsplit(url or "")
    return (parts.scheme, parts.netloc) == ("https", HOST)


def advice(url: str) -> str:
    """What to do where an address answers that it is not open to whoever asked."""
    if not trusted(url):
        return ""
    if _token():
        return f"; {HOST} refuses the token in {VARIABLE}: accept the terms on its page, or correct"
    return f"; it is not open to all: set {VARIABLE} to a token of {HOST} that may read it"


class Session(requests.Session):
    """A session that gives the token to its host alone, whoever redirects where."""

    def __init__(self) -> None:
        """Ask anonymously but for the token."""
        super().__init__()
        self.auth = _Access()  # requests looks into ~/.netrc where a session has none

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Decide anew after a redirection."""
        _Access()(prepared_request)


class _Access(AuthBase):
    """The token, or nothing, in the headers of a request."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.pop("Authorization", None)
        if trusted(request.url) and (token := _token()):
            request.headers["Authorization"] = f"Bearer {token}"
        return request


def _token() -> str:
    """The token; empty if there is none.

    Raises:
        Problem: if it cannot be one, without showing it: an error of the library would.
    """
    token = os.environ.get(VARIABLE, "").strip()
    if token and not _TOKEN.fullmatch(token):
        raise Problem(f"{VARIABLE}: holds a character that no token has; set it anew or unset it")
    return token
