"""Folders in which a run will write, looked at before it begins."""

from __future__ import annotations

import os
from pathlib import Path

from sharpness.problem import Problem


def check_writable(*folders: str | Path) -> None:
    """Refuse folders in which nothing can be made; one that is not there is made later.

    The folders directly in them are looked at too, for they may be mounts, or another user's.

    Raises:
        Problem: if a folder is a file, or may not be written to.
    """
    for folder in map(Path, folders):
        inner = [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
        for path in (_nearest(folder), *inner):
            if not path.is_dir():
                raise Problem(f"{path}: is a file where a folder must be; move it away")
            if not os.access(path, os.W_OK | os.X_OK):
                raise Problem(
                    f"{path}: may not be written to, or its file system is read-only; allow it, or "
                    "work in another folder (`results` names that of the results)"
                )


def _nearest(path: Path) -> Path:
    """The path itself, or what is there of the way to it."""
    return next(found for found in (path, *path.absolute().parents) if os.path.lexists(found))
