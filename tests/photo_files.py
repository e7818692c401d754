"""Small photos and folders of them, laid out as their publishers do."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sharpness.io.files import write_json
from sharpness.mini.data_sets import digests

CLASSES = ["n02708093", "n02769748", "n03196217", "n07753592"]
"""Analog clock, backpack, digital clock, banana: ObjectNet's alarm clock is the first and third."""


def photo(seed: int, width: int = 13, height: int = 9, kind: str = "PNG") -> bytes:
    """An image file of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def photos(folders: Iterable[str], each: int, first: int = 0) -> dict[str, bytes]:
    """``folder/name`` and contents of ``each`` images in every folder."""
    found = {}
    for number, folder in enumerate(folders):
        for i in range(each):
            found[f"{folder}/{i}.JPEG"] = photo(first + 100 * number + i)
    return found


def write_files(root: Path, files: Mapping[str, bytes]) -> Path:
    """Each file under ``root``."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def tar(files: Mapping[str, bytes], compression: str = "") -> bytes:
    """A tar archive of these files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=f"w:{compression}") as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def imagenet(root: Path, train: int = 3, test: int = 2) -> Path:
    """ImageNet's usual layout with four of its classes."""
    write_files(root / "train", photos(CLASSES, train))
    return write_files(root / "val", photos(CLASSES, test, 1000)).parent


def settings(tmp_path: Path, **given: Any) -> dict[str, Any]:
    """What `locate` takes: offline, nothing named."""
    named = {"mirror": None, "offline": True, "file": None, "folder": None, "holdout": None}
    return {"cache": str(tmp_path / "cache"), **named, "standin": None, **given}


def listed(own: Path) -> str:
    """The path of the list of the stand-ins in a folder, as the workflow writes it."""
    write_json(own / "data.json", digests(own))
    return str(own / "data.json")
