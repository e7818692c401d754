"""Find data sets: shipped with a package, at a path that the user names, or in the cache.

The result is a record, read by `load.load_dataset`: ``name``, ``status`` (present or missing),
``reason``, ``title``, ``files`` (list of ``path`` and ``sha256``), ``remark`` (differences from the
published set) and, for a stand-in, ``standin`` (path of the list of stand-ins); for photos also the
entries of `sharpness.data.imagenet.find_photos`.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from sharpness.data import imagenet, nli
from sharpness.data.registry import REGISTRY, SOURCES, TITLES, DataSet, downloads, user_copy_key
from sharpness.data.unpack import BATCHES, CORRUPTIONS, LABELS
from sharpness.io.archive import archive_errors
from sharpness.io.download import Absent, Download, download_named, fetch, reachable
from sharpness.io.errors import REMAKE, UserError
from sharpness.io.files import read_json, sha256
from sharpness.io.transfer import Checksum
from sharpness.io.validation import checked

REVISION = 1
"""Increase it when the contents of records change: every data set is located again."""


class _File(BaseModel, strict=True):
    path: str
    sha256: str = ""


class _Split(BaseModel, strict=True):
    folder: str
    images: int
    digest: str


class _Record(BaseModel, strict=True):
    name: str
    status: Literal["present", "missing"]
    reason: str
    title: str
    files: list[_File]
    remark: str = ""
    standin: str = ""
    folder: str = ""
    classes: list[str] = []
    splits: dict[Literal["train", "test"], _Split] = {}
    holdout: _File | None = None


def read_record(path: str | Path) -> dict[str, Any]:
    """Read a record; raise UserError if the file is cut off or does not hold one."""
    record: dict[str, Any] = read_json(path)
    checked(_Record, record, str(path), REMAKE)
    if record["status"] == "present" and not record["files"] and "folder" not in record:
        shipped = REGISTRY.get(record["name"])
        if shipped is None or shipped.source is not None:
            raise UserError(f"{path}: names no file of {record['name']}; {REMAKE}")
    return record


def standin_digest(listed: str | Path, url: str) -> str:
    """Return the SHA-256 of the stand-in for the download at ``url``.

    ``listed`` is the list written with the stand-ins; UserError is raised if it lacks the URL.
    """
    _, _, place = url.partition("://")
    try:
        return str(read_json(listed)[f"mirror/{place}"])
    except (KeyError, TypeError):
        raise UserError(f"{listed}: states no digest of {place}; {REMAKE}") from None


def pinned(record: Mapping[str, Any]) -> list[str]:
    """Return the digest that each file of a data set must have, such as ``sha256 23cf…``.

    It is the publisher's or, for a stand-in, that in the list of stand-ins.
    """
    files = [download_named(row) for row in downloads(REGISTRY[record["name"]].source or "")]
    if "standin" not in record:
        return [f"sha256 {file.digest('sha256')}" for file in files]
    return [f"sha256 {standin_digest(record['standin'], file.url)}" for file in files]


PREPARED = {True: "CIFAR-10 (JPEG)", False: "CIFAR-10 (prepared)"}
"""Titles of a prepared array file, by whether it holds packed JPEG files."""

_MEMBERS = {
    "cifar10": tuple(BATCHES),
    "cifar10-c": (*CORRUPTIONS, LABELS),
    "mnli": tuple(nli.MEMBERS.values()),
}
"""Files of the unpacked archives."""


def locate(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Find a data set; download and unpack it if necessary.

    Args:
        name: a key of `sharpness.data.registry.REGISTRY`.
        settings: ``cache`` (folder of downloads); ``mirror`` and ``offline`` as for `fetch`;
            ``standin`` (path of the list of stand-ins, if these replace the published files); and
            the user's own copy, each a path or None: ``file`` (the published archive or file; for
            CIFAR-10 also a prepared ``.npz``), ``folder`` (the unpacked archive, or the published
            files if there are several) and, for ImageNet, ``holdout`` (the soups' index of held-out
            training images).

    Returns:
        The record. Its status is missing, and its reason says what to set, if a path named by the
        user does not exist, or if no copy is named and none can be had (``offline``, or the data
        set is no download). A user's copy may differ from the published set: ``remark`` says how,
        where that can be told.

    Raises:
        UserError: if the name is unknown, the settings contradict each other, a download fails or
            differs from the published file, or the files cannot be those of this data set.
    """
    if name not in REGISTRY:
        raise UserError(f"data set {name!r} is unknown; one of {', '.join(REGISTRY)}")
    entry = REGISTRY[name]
    key = user_copy_key(entry.source, settings) if entry.source else None
    try:
        found = _found(entry, name, key, settings)
    except Absent as absence:
        return _record(name, "missing", str(absence), {"files": []}, settings)
    except OSError as error:
        where = error.filename or f"data set {name}"
        raise UserError(f"{where}: {error.strerror or error}") from error
    record = _record(name, "present", "", found, settings)
    if record["remark"]:
        print(f"{name}: {record['remark']}", file=sys.stderr)
    return record


def within_reach(name: str, settings: Mapping[str, Any]) -> bool:
    """Return whether `locate` may find a data set, judging by the file system alone.

    If so, a record that says "missing" is outdated.
    """
    source = REGISTRY[name].source
    if source is None or settings["standin"]:
        return True
    given = [settings[key] for key in ("file", "folder") if settings[key]]
    if given:
        return any(Path(path).expanduser().exists() for path in given)
    places = {key: settings[key] for key in ("mirror", "offline")}
    cache, rows = Path(settings["cache"]).expanduser(), downloads(source)
    return bool(rows) and all(reachable(download_named(row).url, cache, **places) for row in rows)


def skipped_record(name: str) -> dict[str, Any]:
    """Return the record, with status missing, of a set whose errors are taken as published."""
    return _record(name, "missing", "its errors are taken as published", {"files": []}, {})


def remarks(paths: Iterable[str | Path]) -> list[str]:
    """Return a sentence for each record that differs from the published set; skip missing files."""
    records = [read_record(path) for path in paths if Path(path).exists()]
    return [f"{r['title']} {r['remark']}." for r in records if r.get("remark")]


def _found(
    entry: DataSet, name: str, key: str | None, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the record entries other than name, status, reason and title."""
    if entry.source is None:
        return {"files": []}
    path = Path(settings[key]).expanduser() if key else None
    rows = () if path else downloads(entry.source)
    fetched = [_fetched(entry.source, download_named(row), settings) for row in rows]
    if entry.kind == "photos":
        kind, place = ("file", fetched[0]) if fetched else (key or "folder", path)
        found = imagenet.find_photos(name, kind, place, settings)
    else:
        files = _files(entry.source, key, path) if path else fetched
        found = {"files": [{"path": str(file), "sha256": sha256(file)} for file in files]}
        if key == "folder" and entry.kind == "text":
            found["folder"] = str(path)
    given = [Path(file["path"]) for file in found["files"]] if key else []
    remarks = [found.get("remark"), _other(entry.source, given, settings)]
    return {**found, "remark": " and ".join(remark for remark in remarks if remark)}


def _record(
    name: str, status: str, reason: str, found: dict[str, Any], settings: Mapping[str, Any]
) -> dict[str, Any]:
    title, files = TITLES[name], [Path(entry["path"]) for entry in found["files"]]
    if name == "cifar10" and len(files) == 1 and files[0].suffix == ".npz":
        path = files[0]
        with archive_errors(f"{path}: is no .npz file"), zipfile.ZipFile(path) as archive:
            title = PREPARED["bytes.npy" in archive.namelist()]  # only the directory is read
    record = {"name": name, "status": status, "reason": reason, "title": title, "remark": ""}
    if standin := settings.get("standin"):
        record |= {"title": f"{title} (stand-in)", "standin": standin}
    return {**record, **found}


def _files(source: str, key: str | None, path: Path) -> list[Path]:
    """Return the files of a data set other than photos: ``path`` itself, or those in it."""
    urls = [download_named(row).url for row in downloads(source)]
    names = _MEMBERS.get(source) or [url.rpartition("/")[2] for url in urls]
    files = [path] if key == "file" else [path / name for name in names]
    for i, file in enumerate(files):
        if not file.is_file():
            url = urls[i if len(urls) > 1 else 0]
            advice = f"correct data.{source}.{key} or get {url}"
            raise Absent(f"data.{source}.{key}: {file} is no file; {advice}")
    return files


def _fetched(source: str, published: Download, settings: Mapping[str, Any]) -> Path:
    claims = published.claims()
    if listed := settings.get("standin"):
        claims = {"checksum": f"sha256 {standin_digest(listed, published.url)}"}
    try:
        return fetch(
            published.url,
            Path(settings["cache"]).expanduser(),
            **claims,
            mirror=settings["mirror"],
            offline=settings["offline"],
        )
    except UserError as problem:
        keys = " or ".join(f".{key}" for key in SOURCES[source].takes)
        advice = f"{problem}; or name a copy in data.{source}{keys}"
        if isinstance(problem, Absent):
            raise Absent(advice) from problem
        raise UserError(f"{advice} (one that is not there, to go on without it)") from problem


def _other(source: str, given: list[Path], settings: Mapping[str, Any]) -> str:
    """Describe how the user's files differ from the published ones; empty if they do not."""
    rows = downloads(source)
    if settings.get("standin") or len(given) != len(rows):  # unpacked, or not published
        return ""
    if source == "cifar10" and given[0].suffix == ".npz":  # the title says that it was prepared
        return ""
    for path, published in zip(given, map(download_named, rows), strict=True):
        try:
            if published.checksum:
                Checksum(path, **published.claims()).check(path)
        except UserError:
            return "comes from a file of another digest than the published one"
    return ""
