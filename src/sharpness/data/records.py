"""Records of data sets, which `sharpness.data.locate` makes and everything else believes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sharpness.data.registry import REGISTRY
from sharpness.files import read_json
from sharpness.problem import Problem
from sharpness.shapes import check_shape

_MEND = "remove it and run again"
_PART = {"folder": str, "images": int, "digest": str}
_RECORD = {
    "name": str,
    "status": str,
    "reason": str,
    "title": str,
    "files": [{"path": str, "sha256?": str}],
    "remark?": str,
    "standin?": str,
    "folder?": str,
    "classes?": [str],
    "splits?": {"train?": _PART, "test?": _PART},
    "holdout?": ({"path": str}, type(None)),
}


def read_record(path: str | Path) -> dict[str, Any]:
    """The record in a file.

    Raises:
        Problem: naming the file, if it is cut off or was edited into something else.
    """
    record: dict[str, Any] = read_json(path)
    check_shape(record, _RECORD, str(path), _MEND)
    if record["status"] not in ("present", "missing"):
        raise Problem(f"{path}: status: is neither present nor missing; {_MEND}")
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
