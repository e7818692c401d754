"""Where a data set lies: in the package, under a path that the user names, or in the cache.

The answer is a record that `sharpness.data.load` reads: ``name``, ``status`` (present or missing),
``reason``, ``title`` and ``files``, a list of ``path`` and ``sha256``.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sharpness.data.members import BATCHES, CORRUPTIONS, LABELS
from sharpness.downloads.fetch import Absent, fetch, known
from sharpness.files import sha256
from sharpness.problem import Problem

TITLES = {
    "digits": "digits",
    "digits-c": "digits-c",
    "cifar10": "CIFAR-10",
    "cifar10-c": "CIFAR-10-C",
    "cifar10-c-whole": "CIFAR-10-C (all severities)",
}
PREPARED = {True: "CIFAR-10 (JPEG)", False: "CIFAR-10 (prepared)"}
"""Titles of a prepared array file, by whether it holds packed JPEG files."""

_DOWNLOADS = {"cifar10": "cifar10", "cifar10-c": "cifar10-c", "cifar10-c-whole": "cifar10-c"}
_MEMBERS = {"cifar10": BATCHES, "cifar10-c": (*CORRUPTIONS, LABELS)}


def locate(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Find a data set, downloading it if it is to be.

    Args:
        name: a key of ``TITLES``.
        settings: ``cache`` (folder of downloads), ``mirror`` and ``offline`` as `fetch` has them,
            and what the user names instead: ``file`` (the publisher's archive; for CIFAR-10 also a
            prepared ``.npz``) or ``folder`` (the unpacked archive), each a path or None.

    Returns:
        The record. With ``offline``, or with a path named that does not exist, absence is a record
        whose reason says what to set.

    Raises:
        Problem: if the name is unknown, the settings contradict each other, a download fails, or a
            file is not what its publisher published.
    """
    if name not in TITLES:
        raise Problem(f"data set {name!r} is unknown; one of {', '.join(TITLES)}")
    named = [key for key in ("file", "folder") if settings[key]]
    if len(named) == 2 or (named and name not in _DOWNLOADS):
        wanted = "one of file and folder" if name in _DOWNLOADS else "neither file nor folder"
        raise Problem(f"data.{name}: give {wanted}")
    try:
        if name not in _DOWNLOADS:
            files = []
        elif named:
            files = _given(name, named[0], Path(settings[named[0]]).expanduser())
        else:
            files = [_fetched(name, settings)]
    except Absent as absence:
        return _record(name, "missing", str(absence), [])
    return _record(name, "present", "", files)


def _record(name: str, status: str, reason: str, files: list[Path]) -> dict[str, Any]:
    title = TITLES[name]
    if len(files) == 1 and files[0].suffix == ".npz":
        title = PREPARED[_holds_jpeg(files[0])]
    return {
        "name": name,
        "status": status,
        "reason": reason,
        "title": title,
        "files": [{"path": str(path), "sha256": sha256(path)} for path in files],
    }


def _given(name: str, key: str, path: Path) -> list[Path]:
    """The files under a path that the user names."""
    source = known(_DOWNLOADS[name])
    advice = f"correct data.{name}.{key} or get {source.url}"
    if key == "file":
        if not path.is_file():
            raise Absent(f"data.{name}.file: {path} is no file; {advice}")
        return [path]
    files = [path / member for member in _MEMBERS[_DOWNLOADS[name]]]
    for file in files:
        if not file.is_file():
            raise Absent(f"data.{name}.folder: {file} is no file; {advice}")
    return files


def _fetched(name: str, settings: Mapping[str, Any]) -> Path:
    """The publisher's archive, from the cache, the mirror or the network."""
    source = known(_DOWNLOADS[name])
    try:
        return fetch(
            source.url,
            Path(settings["cache"]).expanduser(),
            sha256=source.digest("sha256"),
            md5=source.digest("md5"),
            size=source.bytes,
            mirror=settings["mirror"],
            offline=settings["offline"],
        )
    except Absent as absence:
        raise Absent(f"{absence}; or name a copy in data.{name}.file or .folder") from None


def _holds_jpeg(path: Path) -> bool:
    """Whether a prepared array file is of the packed form, told from its directory alone."""
    try:
        with zipfile.ZipFile(path) as archive:
            return "bytes.npy" in archive.namelist()
    except zipfile.BadZipFile as error:
        raise Problem(f"{path}: is no .npz file ({error})") from error
