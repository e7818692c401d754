"""Reading the data set that a record of `sharpness.data.locate` describes."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sharpness.data import cifar10, cifar10c
from sharpness.data.digits import digits
from sharpness.data.digits_c import digits_c
from sharpness.data.images import Images
from sharpness.problem import Problem


def load(name: str, split: str, record: Mapping[str, Any]) -> Images:
    """Read a data set into memory.

    Args:
        name: ``digits``, ``digits-c``, ``cifar10``, ``cifar10-c`` or ``cifar10-c-whole``.
        split: ``train`` or ``test``; the corrupted sets have ``test`` alone.
        record: what `locate` returned for this name.

    Raises:
        Problem: if the record says that the set is missing or is another's, if there is no such
            split, or if a file is damaged.
    """
    if record["name"] != name:
        raise Problem(f"data set {name}: the record is that of {record['name']}")
    if record["status"] != "present":
        raise Problem(f"data set {name} is missing: {record['reason']}")
    splits = ("train", "test") if name in ("digits", "cifar10") else ("test",)
    if split not in splits:
        raise Problem(f"data set {name}: has no split {split!r}, only {', '.join(splits)}")
    files = [Path(entry["path"]) for entry in record["files"]]
    try:
        return _read(name, split, files)
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise Problem(f"{files[0]}: cannot be read ({error}); fetch it again") from error


def _read(name: str, split: str, files: list[Path]) -> Images:
    if name == "digits":
        return digits(split)
    if name == "digits-c":
        return digits_c()
    if name == "cifar10-c":
        return cifar10c.paper(files)
    if name == "cifar10-c-whole":
        return cifar10c.whole(files)
    if files[0].suffix == ".npz":
        return cifar10.prepared(files[0], split)
    return cifar10.published(files, split)
