"""Records of data sets, which `places.locate` makes and everything else believes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sharpness.data.registry import REGISTRY
from sharpness.files import read_json
from sharpness.problem import Problem
from sharpness.shapes import check_shape

REVISION = 1
"""Raise it with any change to what a record says: every data set is located anew."""

_MEND = "remove it and run again"
_PART = {"folder": str, "images": int, "digest": str}
_RECORD = {
    "name": str,
    "status": str,
    "reason": str,
    "title": str,
    "files": [{"path": str, "sha256?": str}],
    "remark?": str,
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
