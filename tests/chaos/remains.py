"""What lies in a folder of results after a kill: finished files, states, leftovers."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors import safe_open

KEPT_APART = {"logs", "benchmarks"}
"""Snakemake's own, written as a job goes on."""


@dataclass(frozen=True)
class Signature:
    """Tells whether a file was written again."""

    time: int
    size: int
    inode: int


@dataclass(frozen=True)
class Remains:
    """The files under a folder.

    Attributes:
        files: under their final names.
        leftovers: temporaries, by name, with their sizes.
    """

    files: dict[Path, Signature]
    leftovers: dict[Path, int]

    @classmethod
    def of(cls, results: Path) -> Remains:
        """What lies there now."""
        files, leftovers = {}, {}
        for path in results.rglob("*"):
            name = path.relative_to(results)
            if name.parts[0] in KEPT_APART or not path.is_file():
                continue
            stat = path.stat()
            if not unfinished(name):
                files[path] = Signature(stat.st_mtime_ns, stat.st_size, stat.st_ino)
            elif path.suffix != ".lock":
                leftovers[path] = stat.st_size
        return cls(files, leftovers)

    @property
    def states(self) -> dict[Path, Signature]:
        """Finished items and epochs: what makes a job go on where it was."""
        return {path: found for path, found in self.files.items() if "state" in path.parts}


def unfinished(name: Path) -> bool:
    """Whether a name says that what it holds may be half: hidden, or a download's part."""
    hidden = any(part.startswith(".") for part in name.parts)
    return hidden or name.suffix == ".part" or any(part.startswith("tmp") for part in name.parts)


def damage(path: Path) -> str:
    """Why a file under its final name is not whole; empty if it is."""
    check = _CHECKS.get(path.suffix)
    try:
        return (check and check(path)) or ""
    except Exception as error:  # whatever a reader makes of half a file
        return f"{type(error).__name__}: {error}"


def epochs(path: Path) -> tuple[int, bool]:
    """How far a training's state has come, and whether it is finished."""
    with safe_open(path, framework="numpy") as stream:
        said = json.loads(stream.metadata()["sharpness"])
    ended = any(said.get(key) is not None for key in ("record", "result"))
    return len(said["curve"]), ended


def _csv(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    widths = {len(row) for row in csv.reader(text.splitlines())}
    return "" if text.endswith("\n") and len(widths) == 1 else f"rows of {sorted(widths)} values"


def _json(path: Path) -> None:
    json.loads(path.read_text(encoding="utf-8"))


def _png(path: Path) -> None:
    with Image.open(path) as image:
        image.load()


def _npz(path: Path) -> None:
    with np.load(path) as arrays:
        for name in arrays.files:
            arrays[name]


def _safetensors(path: Path) -> None:
    with safe_open(path, framework="numpy") as stream:
        for name in stream.keys():  # noqa: SIM118
            stream.get_tensor(name)


def _ends(path: Path, *ends: bytes) -> str:
    found = path.read_bytes().rstrip()
    return "" if found.endswith(ends) else f"does not end in {ends[0]!r}"


_CHECKS: dict[str, Any] = {
    ".csv": _csv,
    ".json": _json,
    ".png": _png,
    ".npz": _npz,
    ".npy": lambda path: np.load(path) is None,
    ".safetensors": _safetensors,
    ".pdf": lambda path: _ends(path, b"%%EOF"),
    ".html": lambda path: _ends(path, b"</html>"),
    ".md": lambda path: "" if path.read_text().endswith("\n") else "does not end in a line",
    ".tex": lambda path: _ends(path, b"}"),
}
