"""Records of data sets, which `places.locate` makes and everything else believes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from sharpness.data.registry import REGISTRY
from sharpness.files import read_json
from sharpness.problem import Problem
from sharpness.validation import checked

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
        Problem: naming the file, if it is cut off or was edited into something else.
    """
    record: dict[str, Any] = read_json(path)
    checked(_Record, record, str(path), _MEND)
    if record["status"] == "present" and not record["files"] and "folder" not in record:
        shipped = REGISTRY.get(record["name"])
        if shipped is None or shipped.source is not None:
            raise Problem(f"{path}: names no file of {record['name']}; {_MEND}")
    return record


def standin_digest(listed: str | Path, url: str) -> str:
    """The SHA-256 of the stand-in for a download, as the workflow that made it wrote it down.

    Args:
        listed: the list of stand-ins, by their paths.
        url: of the download.

    Raises:
        Problem: if it is not in the list.
    """
    _, _, place = url.partition("://")
    try:
        return str(read_json(listed)[f"mirror/{place}"])
    except (KeyError, TypeError):
        raise Problem(f"{listed}: states no digest of {place}; {_MEND}") from None
