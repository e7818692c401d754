"""Offline switches of the model hubs, which must be set before their libraries are imported."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from sharpness.io.errors import UserError

SECONDS = 2.0
"""Time to wait for a connection to the hub."""

_PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


def go_offline_if_needed(offline: bool) -> bool:
    """Set the hubs' offline switches if ``offline``, or if there is no route to the hub.

    Otherwise each file that is not there costs retries of half a minute and more. Returns whether
    the switches are set.
    """
    if offline or not _reachable(os.environ.get("HF_ENDPOINT", "https://huggingface.co")):
        os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_DATASETS_OFFLINE="1")
        if hub := sys.modules.get("huggingface_hub.constants"):  # read when it was imported
            hub.HF_HUB_OFFLINE = True  # type: ignore[attr-defined]
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    return os.environ.get("HF_HUB_OFFLINE") == "1"


def _reachable(address: str) -> bool:
    if any(os.environ.get(name) for name in _PROXIES):
        return True  # only the proxy knows
    parts = urlsplit(address)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    try:
        socket.create_connection((parts.hostname or "", port), SECONDS).close()
    except OSError:
        return False
    return True


@contextmanager
def library_errors(what: str, places: Mapping[str, Any]) -> Iterator[None]:
    """Turn whatever a library raises into one line that begins with ``what``."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__
        first = said.split(". ")[0]
        shown = first if len(first) <= 300 else f"{first[:300]} ..."
        hint = ""
        if os.environ.get("HF_HUB_OFFLINE") == "1" and _of_network(error):
            why = "`offline` is set" if places.get("offline") else "there is no route to the hub"
            hint = f"; {why}, so name a local folder or file, or fetch it where there is a network"
        raise UserError(f"{what}: {shown}{hint}") from error


def _of_network(error: BaseException | None) -> bool:
    """Return whether an error, or one behind it, is that of a hub without a network."""
    names = ("Offline", "LocalEntryNotFound", "ConnectionError", "URLError")
    seen = 0
    while error is not None and seen < 10:
        kind = type(error).__name__
        if any(name in kind for name in names) or "couldn't connect" in str(error):
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False
