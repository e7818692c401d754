"""Conversion of one published model: fetch, verify, read, and write as a checkpoint."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import save_file

from sharpness.checkpoints import formats
from sharpness.checkpoints.table import PublishedModel
from sharpness.checkpoints.weight_map import Array
from sharpness.io.download import fetch, locked, place
from sharpness.io.errors import UserError
from sharpness.io.files import atomic, digest, own_folder, sha256
from sharpness.io.transfer import Checksum
from sharpness.training.records import metadata_of

REVISION = 1
"""Increase it with any change to the conversion; all checkpoints are converted anew."""


def download_checkpoint(
    member: PublishedModel,
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
    """Write the checkpoint of a published model atomically; equal files give equal bytes.

    Args:
        member: the model, and where its file is.
        format: one of ``FORMATS``.
        architecture: as ``networks.build`` takes it.
        out: path of the checkpoint, ``….safetensors``.
        cache: folder of downloads, as ``HOST/PATH``.
        mirror: a directory or URL laid out like ``cache``, tried before the network.
        offline: use only the mirror.
        standin: the mirror holds stand-ins, to which published digests and sizes do not apply.
        keep: keep the original in the cache; otherwise it is deleted after the conversion if this
            call downloaded it. Other files in the cache, local files and mirrors are never touched.

    Raises:
        UserError: if the file cannot be had, is not genuine or not of the format, or the checkpoint
            cannot be written.
    """
    with _original(member, cache, mirror, offline, standin, keep) as path:
        weights = formats.read(format, path, architecture)
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
        try:
            _save(Path(out), weights, metadata_of(metadata))
        except (OSError, SafetensorError) as error:
            reason = f"{out}: cannot be written ({' '.join(str(error).split())})"
            raise UserError(f"{reason}; make room, or allow it") from error


def _save(out: Path, weights: Mapping[str, Array], metadata: dict[str, str]) -> None:
    """Write the checkpoint, or raise UserError if the disk lacks room."""
    out.parent.mkdir(parents=True, exist_ok=True)
    needed = sum(array.nbytes for array in weights.values())
    free = shutil.disk_usage(out.parent).free
    if needed > free:
        raise UserError(f"{out}: needs {needed} bytes, but {out.parent} has {free} free; make room")
    with atomic(out) as temporary:
        save_file(dict(weights), temporary, metadata=metadata)


@contextmanager
def _original(
    member: PublishedModel,
    cache: str | Path,
    mirror: str | Path | None,
    offline: bool,
    standin: bool,
    keep: bool,
) -> Iterator[Path]:
    """Yield the verified published file; delete it after the block unless it is to stay."""
    claims: dict[str, Any] = {} if standin else member.claims()
    if member.file:
        path = Path(member.file)
        if not path.is_file():
            raise UserError(f"{path}: no such file; correct the table's row of {member.model}")
        Checksum(path, **claims).check(path)
        yield path
    elif standin:  # may be made anew by the workflow: neither kept nor pinned
        with own_folder(Path(cache) / digest(member.url)) as folder:
            yield fetch(member.url, folder, mirror=mirror, offline=offline)
    else:
        with _borrowed(Path(cache) / place(member.url), keep):
            yield fetch(member.url, cache, mirror=mirror, offline=offline, held=True, **claims)


@contextmanager
def _borrowed(path: Path, keep: bool) -> Iterator[None]:
    """Lock the file inside the block, then delete it if the block brought it, unless ``keep``."""
    try:
        with locked(path):
            brought = not path.exists()
            yield
            if brought and not keep:
                _discard(path)
    except OSError as error:
        raise UserError(f"{error.filename or path}: {error.strerror or error}; mend it") from error


def _discard(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except PermissionError as error:
        print(f"{path}: stays in the cache ({error.strerror}); delete it", file=sys.stderr)
