"""Files that are either whole or absent, and digests that name what determines them."""

from __future__ import annotations

import csv
import fcntl
import glob
import hashlib
import json
import math
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import yaml

from sharpness.io.errors import UserError, number_of


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that is renamed to it when the block ends well.

    A kill at any moment leaves the old file or the new one, never half of either, and beside it a
    temporary that goes when the file is written again.

    Raises:
        OSError: naming ``path``, where the disk or the folder does not take it, whatever the
            library that was to write it says of that.
    """
    path = Path(path)
    handle, temporary = None, None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear(path)
        handle, name = tempfile.mkstemp(".tmp", f".{path.name}.", path.parent)
        temporary = Path(name)
        _held(handle)
        yield temporary
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except Exception as error:
        if (number := _of_this(error, path)) is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if handle is not None:
            os.close(handle)


@contextmanager
def own_folder(path: Path) -> Iterator[Path]:
    """An empty folder beside ``path`` that goes after the block, or after a kill the next time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear(path)
    folder = Path(tempfile.mkdtemp(".tmp", f".{path.name}.", path.parent))
    handle = os.open(folder, os.O_RDONLY)
    try:
        _held(handle)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _held(handle: int) -> bool:
    """Whether what is open is this process's alone; False too where the disk knows no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _clear(path: Path) -> None:
    """Remove the temporaries of a path that killed processes left; living ones hold theirs."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.????????.tmp"):
        with suppress(OSError):
            handle = os.open(left, os.O_RDONLY if left.is_dir() else os.O_RDWR)
            try:
                if _held(handle):
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
            finally:
                os.close(handle)


def _of_this(error: Exception, path: Path) -> int | None:
    """The system's number of an error that belongs to ``path``, not to a file that it names."""
    named = getattr(error, "filename", None)
    mine = named is None or Path(os.fsdecode(named)).name.startswith(f".{path.name}.")
    return number_of(error) if mine else None


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` to ``path`` atomically, as UTF-8 with line feeds."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` to ``path`` atomically as canonical JSON."""
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """Canonical JSON, sorted keys and two spaces: equal values, equal text."""
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def write_csv(path: str | Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write rows to ``path`` atomically as CSV; a column that a row lacks is empty."""
    text = StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def finite(number: float) -> float | None:
    """The number as JSON can hold it: None where it is infinite or NaN."""
    return number if math.isfinite(number) else None


def read_json(path: str | Path) -> Any:
    """The value that a JSON file holds.

    Raises:
        UserError: if it is no JSON, or cut off.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path}: is no whole JSON file ({error}); remove it and run again"
        ) from error


def entry(found: Mapping[str, Any], name: str, path: str | Path) -> Any:
    """What a file holds under a model's name.

    Raises:
        UserError: if it was made for other models, and the command that remakes it.
    """
    if name not in found:
        gone = shlex.quote(str(path))
        raise UserError(f"{path}: {name} is not in it; remove it and run again: rm {gone}")
    return found[name]


def digest(value: Any) -> str:
    """A 16-digit name for a JSON value: equal values, equal names."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_writable(*folders: str | Path) -> None:
    """Refuse folders in which nothing can be made; one that is not there is made later.

    The folders directly in them are looked at too, for they may be mounts, or another user's.

    Raises:
        UserError: if a folder is a file, or may not be written to.
    """
    for folder in map(Path, folders):
        inner = [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
        for path in (_nearest(folder), *inner):
            if not path.is_dir():
                raise UserError(f"{path}: is a file where a folder must be; move it away")
            if not os.access(path, os.W_OK | os.X_OK):
                raise UserError(
                    f"{path}: may not be written to, or its file system is read-only; allow it, or "
                    "work in another folder (`results` names that of the results)"
                )


def _nearest(path: Path) -> Path:
    """The path itself, or what is there of the way to it."""
    return next(found for found in (path, *path.absolute().parents) if os.path.lexists(found))


def read_yaml(path: str | Path) -> Any:
    """What a file holds.

    Raises:
        UserError: if it cannot be read, or is no YAML.
    """
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is no UTF-8 text ({error.reason}, byte {error.start})") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise UserError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    except (ValueError, TypeError, AttributeError) as error:  # a date, a number that cannot be
        raise UserError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
