"""One published model: fetched or found, verified, read, and written as a checkpoint."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import save_file

from sharpness.downloads.fetch import fetch, locked, place
from sharpness.downloads.verification import Claim
from sharpness.files import atomic, digest, own_folder, sha256
from sharpness.pools.formats import REVISION, read
from sharpness.pools.names import Array
from sharpness.pools.table import Member
from sharpness.problem import Problem
from sharpness.training.layout import KEY


def obtain(
    member: Member,
    format: str,
    architecture: Mapping[str, Any],
    out: str | Path,
    *,
    cache: str | Path,
    mirror: str | Path | None,
    offline: bool,
    standin: bool,
    keep: bool,
) -> None:
    """Write the checkpoint of a published model; equal files give equal bytes.

    Args:
        member: the model, and where its file is.
        format: of the file; one of ``formats.FORMATS``.
        architecture: the network whose weights the file holds.
        out: where the checkpoint goes, ``….safetensors``; whole or absent.
        cache: where downloads lie, as ``HOST/PATH``.
        mirror: a directory or URL laid out like ``cache``, asked before the network.
        offline: ask nobody but the mirror.
        standin: the mirror holds small models in place of the published ones, so that published
            digests and sizes say nothing of them.
        keep: leave the original in the cache; without it, what this call brought there is deleted
            after the conversion. What was there, a local file and a mirror are never touched.

    Raises:
        Problem: in one line, whatever keeps the file from being here, genuine, and of the format,
            or the checkpoint from being written.
    """
    with _original(member, cache, mirror, offline, standin, keep) as path:
        weights = read(format, path, architecture)
        metadata = {
            "source": member.file or member.url,
            "source_sha256": sha256(path),
            "format": format,
            "revision": REVISION,
            "model": member.model,
            "standin": standin,
            "architecture": dict(architecture),
            "hyperparameters": dict(member.parameters),
        }
        text = json.dumps(metadata, sort_keys=True, ensure_ascii=False)
        try:
            _save(Path(out), weights, text)
        except (OSError, SafetensorError) as error:
            reason = f"{out}: cannot be written ({' '.join(str(error).split())})"
            raise Problem(f"{reason}; make room, or allow it") from error


def _save(out: Path, weights: Mapping[str, Array], metadata: str) -> None:
    """Write the checkpoint, if there is room for it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    needed = sum(array.nbytes for array in weights.values())
    free = shutil.disk_usage(out.parent).free
    if needed > free:
        raise Problem(f"{out}: needs {needed} bytes, but {out.parent} has {free} free; make room")
    with atomic(out) as temporary:
        save_file(dict(weights), temporary, metadata={KEY: metadata})


@contextmanager
def _original(
    member: Member,
    cache: str | Path,
    mirror: str | Path | None,
    offline: bool,
    standin: bool,
    keep: bool,
) -> Iterator[Path]:
    """The model's file as published, verified; gone after the block if it need not stay."""
    claims: dict[str, Any] = {} if standin else member.claims()
    if member.file:
        path = Path(member.file)
        if not path.is_file():
            raise Problem(f"{path}: no such file; correct the table's row of {member.model}")
        Claim(path, **claims).check(path)
        yield path
    elif standin:  # made by this workflow and perhaps made anew: neither kept nor pinned
        with own_folder(Path(cache) / digest(member.url)) as folder:
            yield fetch(member.url, folder, mirror=mirror, offline=offline)
    else:
        with _borrowed(Path(cache) / place(member.url), keep):
            yield fetch(member.url, cache, mirror=mirror, offline=offline, held=True, **claims)


@contextmanager
def _borrowed(path: Path, keep: bool) -> Iterator[None]:
    """Nobody else deletes the file within the block; what came in it goes after it, or is kept."""
    try:
        with locked(path):
            brought = not path.exists()
            yield
            if brought and not keep:
                _discard(path)
    except OSError as error:
        raise Problem(f"{error.filename or path}: {error.strerror or error}; mend it") from error


def _discard(path: Path) -> None:
    """Delete a file that is not needed any more; one that may not be deleted stays."""
    try:
        path.unlink(missing_ok=True)
    except PermissionError as error:
        print(f"{path}: stays in the cache ({error.strerror}); delete it", file=sys.stderr)
