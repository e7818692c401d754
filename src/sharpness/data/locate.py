"""Where a data set lies: in the package, under a path that the user names, or in the cache.

The answer is a record that `load.load` reads: ``name``, ``status`` (present or missing),
``reason``, ``title``, ``files``, a list of ``path`` and ``sha256``, ``remark``, how the set differs
from the published one, and ``standin``, for a stand-in, the path of the list of what was made; for
photos also what `sharpness.data.imagenet.find` says.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from sharpness.data import imagenet, nli
from sharpness.data.registry import REGISTRY, SOURCES, TITLES, DataSet, downloads, named
from sharpness.data.unpack import BATCHES, CORRUPTIONS, LABELS
from sharpness.io.archive import damage
from sharpness.io.download import Absent, Download, fetch, known, reachable
from sharpness.io.errors import UserError
from sharpness.io.files import read_json, sha256
from sharpness.io.transfer import Checksum
from sharpness.io.validation import checked

REVISION = 1
"""Raise it with any change to what a record says: every data set is located anew."""

_MEND = "remove it and run again"


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
    """The record in a file.

    Raises:
        UserError: naming the file, if it is cut off or was edited into something else.
    """
    record: dict[str, Any] = read_json(path)
    checked(_Record, record, str(path), _MEND)
    if record["status"] == "present" and not record["files"] and "folder" not in record:
        shipped = REGISTRY.get(record["name"])
        if shipped is None or shipped.source is not None:
            raise UserError(f"{path}: names no file of {record['name']}; {_MEND}")
    return record


def standin_digest(listed: str | Path, url: str) -> str:
    """The SHA-256 of the stand-in for a download, as the workflow that made it wrote it down.

    Args:
        listed: the list of stand-ins, by their paths.
        url: of the download.

    Raises:
        UserError: if it is not in the list.
    """
    _, _, place = url.partition("://")
    try:
        return str(read_json(listed)[f"mirror/{place}"])
    except (KeyError, TypeError):
        raise UserError(f"{listed}: states no digest of {place}; {_MEND}") from None


__all__ = ["PREPARED", "TITLES", "locate", "remarks", "unneeded", "within_reach"]

PREPARED = {True: "CIFAR-10 (JPEG)", False: "CIFAR-10 (prepared)"}
"""Titles of a prepared array file, by whether it holds packed JPEG files."""

_MEMBERS = {
    "cifar10": tuple(BATCHES),
    "cifar10-c": (*CORRUPTIONS, LABELS),
    "mnli": tuple(nli.MEMBERS.values()),
}
"""The files of an unpacked archive."""


def locate(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Find a data set, downloading and unpacking it if it is to be.

    Args:
        name: a key of `sharpness.data.registry.REGISTRY`.
        settings: ``cache`` (folder of downloads), ``mirror`` and ``offline`` as `fetch` has them,
            and what the user names instead, each a path or None: ``file`` (the publisher's
            archive or file; for CIFAR-10 also a prepared ``.npz``), ``folder`` (the unpacked
            archive, or the publisher's files where there are several) and, for ImageNet,
            ``holdout`` (the soups' index of held-out training images). With
            ``standin``, the path of the list of the stand-ins' digests, what lies in the
            publishers' places is not theirs, and has the digests of that list.

    Returns:
        The record. Absence is a record, whose reason says what to set: with ``offline``, with a
        path named that does not exist, and always where nothing can be downloaded. What the user
        names need not be what was published: where that can be told, the remark tells it.

    Raises:
        UserError: if the name is unknown, the settings contradict each other, a download fails or
            is not what its publisher published, or what is there cannot be of this data set.
    """
    if name not in REGISTRY:
        raise UserError(f"data set {name!r} is unknown; one of {', '.join(REGISTRY)}")
    entry = REGISTRY[name]
    key = named(entry.source, settings) if entry.source else None
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
    """Whether `locate` may find a data set, told from the file system alone.

    A record that says "missing" is outdated when this becomes true.
    """
    source = REGISTRY[name].source
    if source is None or settings["standin"]:
        return True
    if settings["file"] or settings["folder"]:
        return any(
            Path(p).expanduser().exists() for p in (settings["file"], settings["folder"]) if p
        )
    places = {key: settings[key] for key in ("mirror", "offline")}
    cache, rows = Path(settings["cache"]).expanduser(), downloads(source)
    return bool(rows) and all(reachable(known(row).url, cache, **places) for row in rows)


def unneeded(name: str) -> dict[str, Any]:
    """The record of a data set that nobody looked for: the errors on it are the publishers'."""
    return _record(name, "missing", "its errors are taken as published", {"files": []}, {})


def remarks(paths: Iterable[str | Path]) -> list[str]:
    """How data sets differ from what was published, a sentence each.

    Args:
        paths: of their records; those that are not there are passed over.
    """
    records = [read_record(path) for path in paths if Path(path).exists()]
    return [f"{r['title']} {r['remark']}." for r in records if r.get("remark")]


def _found(
    entry: DataSet, name: str, key: str | None, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """What the record says beside name, status, reason and title."""
    if entry.source is None:
        return {"files": []}
    path = Path(settings[key]).expanduser() if key else None
    fetched = [] if path else _fetched(entry.source, settings)
    if entry.kind == "photos":
        kind, place = ("file", fetched[0]) if fetched else (key or "folder", path)
        found = imagenet.find(name, kind, place, settings)
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
        title = PREPARED[_holds_jpeg(files[0])]
    record = {"name": name, "status": status, "reason": reason, "title": title, "remark": ""}
    if standin := settings.get("standin"):
        record |= {"title": f"{title} (stand-in)", "standin": standin}
    return {**record, **found}


def _files(source: str, key: str | None, path: Path) -> list[Path]:
    """The files of a set that is no photos: one, or in a folder the members or the several."""
    urls = [known(row).url for row in downloads(source)]
    names = _MEMBERS.get(source) or [url.rpartition("/")[2] for url in urls]
    files = [path] if key == "file" else [path / name for name in names]
    for i, file in enumerate(files):
        if not file.is_file():
            url = urls[i if len(urls) > 1 else 0]
            advice = f"correct data.{source}.{key} or get {url}"
            raise Absent(f"data.{source}.{key}: {file} is no file; {advice}")
    return files


def _fetched(source: str, settings: Mapping[str, Any]) -> list[Path]:
    """What the publisher serves, from the cache, the mirror or the network; empty if nothing."""
    return [_brought(source, known(row), settings) for row in downloads(source)]


def _brought(source: str, published: Download, settings: Mapping[str, Any]) -> Path:
    listed = settings.get("standin")
    claims = published.claims()
    if listed:
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
    """How files that the user names differ from the published ones; empty if they do not."""
    rows = downloads(source)
    if settings.get("standin") or len(given) != len(rows):  # unpacked, or published nowhere
        return ""
    if source == "cifar10" and given[0].suffix == ".npz":  # the title says that it was prepared
        return ""
    for path, published in zip(given, map(known, rows), strict=True):
        try:
            if published.checksum:
                Checksum(path, **published.claims()).check(path)
        except UserError:
            return "comes from a file of another digest than the published one"
    return ""


def _holds_jpeg(path: Path) -> bool:
    """Whether a prepared array file is of the packed form, told from its directory alone."""
    with damage(f"{path}: is no .npz file"), zipfile.ZipFile(path) as archive:
        return "bytes.npy" in archive.namelist()
