"""Atomic writing and checked reading of files, and digests of files and values."""

from __future__ import annotations

import csv
import fcntl
import glob
import hashlib
import json
import math
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from sharpness.io.errors import REMAKE, UserError, errno_of

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path that is renamed to ``path`` if the block succeeds.

    A kill leaves the old file or the new one, never a partial one, and maybe a temporary, which is
    removed when ``path`` is next written.

    Raises:
        OSError: naming ``path``, if it cannot be written, whatever the writing library raises.
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
    """Yield an empty folder beside ``path``, removed after the block or, if killed, next time."""
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
    """Try to lock a handle; False if another process has it or the disk has no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _clear(path: Path) -> None:
    """Remove temporaries left by killed processes; running ones hold locks on theirs."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.????????.tmp"):
        with suppress(OSError):
            handle = os.open(left, os.O_RDONLY if left.is_dir() else os.O_RDWR)
            try:
                if _held(handle):
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
            finally:
                os.close(handle)


def _of_this(error: Exception, path: Path) -> int | None:
    """Return the error number if the error concerns ``path``, not another file that it names."""
    named = getattr(error, "filename", None)
    mine = named is None or Path(os.fsdecode(named)).name.startswith(f".{path.name}.")
    return errno_of(error) if mine else None


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` to ``path`` atomically, as UTF-8 with line feeds."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` to ``path`` atomically as canonical JSON."""
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """Return canonical JSON, sorted keys and two spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def write_csv(path: str | Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write rows to ``path`` atomically as CSV; a column that a row lacks is empty."""
    text = StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write_frame(path: str | Path, frame: pd.DataFrame) -> None:
    """Write a table to ``path`` atomically as CSV; nine digits are enough to restore a float32."""
    write_text(path, frame.to_csv(index=False, float_format="%.9g", lineterminator="\n"))


def finite_or_none(number: float) -> float | None:
    """Return the number, or None if it is infinite or NaN, which JSON cannot hold."""
    return number if math.isfinite(number) else None


def read_json(path: str | Path) -> Any:
    """Read a JSON file; raise UserError if it is not JSON, or cut off."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: is no whole JSON file ({error}); {REMAKE}") from error


def model_entry(found: Mapping[str, Any], name: str, path: str | Path) -> Any:
    """Return the value of model ``name`` in a file; raise UserError if made for other models."""
    if name not in found:
        gone = shlex.quote(str(path))
        raise UserError(f"{path}: {name} is not in it; {REMAKE}: rm {gone}")
    return found[name]


def digest(value: Any) -> str:
    """Return a 16-digit hash of a JSON value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_writable(*folders: str | Path) -> None:
    """Raise UserError if a folder is a file or not writable; a missing one is created later.

    Their direct subfolders are checked too, since they may be mounts or another user's.
    """
    for folder in map(Path, folders):
        inner = [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
        for path in (folder, *inner):
            check_folder(path, "work in another folder (`results` names that of the results)")


def check_folder(folder: Path, otherwise: str) -> None:
    """Raise UserError if a folder is a file or not writable; a missing one is created later.

    ``otherwise`` says what to do in place of mending it.
    """
    path = _nearest(folder)
    if not path.is_dir():
        raise UserError(f"{path}: is a file where a folder must be; move it away, or {otherwise}")
    if not os.access(path, os.W_OK | os.X_OK):
        raise UserError(
            f"{path}: may not be written to, or its file system is read-only; allow it, or "
            f"{otherwise}"
        )


def expanded(path: str) -> str:
    """Return a path with ``~`` and ``$VARIABLES`` expanded.

    Raises:
        UserError: if a variable is not set.
    """
    found = os.path.expanduser(os.path.expandvars(path))
    if unset := re.search(r"\$\{?(\w+)", found):
        raise UserError(f"{path!r}: the environment variable {unset[1]} is not set")
    return found


def _nearest(path: Path) -> Path:
    """Return the path itself, or its nearest parent that exists."""
    return next(found for found in (path, *path.absolute().parents) if os.path.lexists(found))


def read_rows(path: str | Path) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of a table that a user may have edited, as text.

    The mark that Excel puts before "CSV UTF-8" and empty lines at the end are left out; a file
    without lines has no header.

    Raises:
        UserError: if it cannot be read, its cells are not separated by commas, or a row has not as
            many cells as the header.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            header, *rows = list(csv.reader(stream, strict=True)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be read as a table: {reason}") from error
    for separator, name in (";", "semicolons"), ("\t", "tabs"):
        if len(header) == 1 and separator in header[0]:
            raise UserError(f"{path}: its cells are separated by {name}; save it with commas")
    while rows and not rows[-1]:
        rows.pop()
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise UserError(
                f"{path}: row {number} has {len(row)} cells; the header has {len(header)}"
            )
    return header, rows


class _Loader(yaml.SafeLoader):
    """Safe loader that refuses a key that is there twice, of which YAML would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if (name := (key.tag, key.value)) in seen:
                    raise UserError(
                        f"line {key.start_mark.line + 1}: the key {key.value!r} is there twice; "
                        "put what is under both into one"
                    )
                seen.add(name)
        return super().construct_mapping(node, deep)


def read_yaml(path: str | Path) -> Any:
    """Read a YAML file.

    Raises:
        UserError: if it cannot be read, is not YAML, or has a key twice.
    """
    try:
        return yaml.load(Path(path).read_text(encoding="utf-8"), _Loader)
    except UserError as problem:
        raise UserError(f"{path}, {problem}") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is no UTF-8 text ({error.reason}, byte {error.start})") from error
    except (yaml.YAMLError, RecursionError, ValueError, TypeError, AttributeError) as error:
        # The last three are raised by an impossible date or number.
        raise UserError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
