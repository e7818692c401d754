"""One published model: fetched or found, verified, read, and written as a checkpoint."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save_file

from sharpness.checkpoints import augreg, bert, bert_tf1, released, soups
from sharpness.checkpoints.table import Member
from sharpness.checkpoints.weight_map import Array
from sharpness.io.download import fetch, locked, place
from sharpness.io.errors import UserError
from sharpness.io.files import atomic, digest, own_folder, sha256
from sharpness.io.transfer import Checksum
from sharpness.training.records import KEY

REVISION = 1
"""Of the conversion: a higher number makes every checkpoint anew."""

_MODULES = {
    "augreg": augreg,
    "soups": soups,
    "bert": bert,
    "bert-tf1": bert_tf1,
    "cifar10-released": released,
}
FORMATS = tuple(_MODULES)


def read_published_file(
    format: str, path: str | Path, architecture: Mapping[str, Any]
) -> dict[str, Array]:
    """The weights of a published file, under the names of our network.

    Weights may be NaN or infinite: a model that diverged is a result, and one of a pool must not
    keep out the others. A line on stderr names it.

    Args:
        format: one of ``FORMATS``.
        path: the file as published.
        architecture: the network's description, as ``networks.build`` takes it.

    Returns:
        A state dict of float32 arrays.

    Raises:
        UserError: naming the file and what in it is broken, missing, left over or of a wrong shape.
    """
    weights: dict[str, Array] = _module(format).read(path, architecture)
    odd = [name for name, array in weights.items() if not np.isfinite(array).all()]
    if odd:
        more = f" and {len(odd) - 1} more" if odd[1:] else ""
        print(f"{path}: {odd[0]}{more}: NaN or infinite; the model diverged", file=sys.stderr)
    return weights


def write_published_file(
    format: str, path: str | Path, weights: Mapping[str, Array], architecture: Mapping[str, Any]
) -> None:
    """Write a file as its publishers would: same names, shapes and types.

    Args:
        format: one of ``FORMATS``, but not ``cifar10-released`` or ``bert-tf1``.
        path: where to; whole or absent.
        weights: a state dict of float32 arrays under the names of our network.
        architecture: the network's description.

    Raises:
        UserError: if the weights are not those of the architecture, or the format is only read.
    """
    module = _module(format)
    if not hasattr(module, "write"):
        raise UserError(f"format {format!r} is only read; none of its files can be written")
    module.write(path, weights, architecture)


def _module(format: str) -> ModuleType:
    """The module that reads a format, and writes it if anybody does."""
    if format not in _MODULES:
        raise UserError(f"format {format!r} is unknown; it is one of {', '.join(FORMATS)}")
    return _MODULES[format]


def download_checkpoint(
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
        format: of the file; one of ``convert.FORMATS``.
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
        UserError: in one line, whatever keeps the file from being here, genuine, and of the format,
            or the checkpoint from being written.
    """
    with _original(member, cache, mirror, offline, standin, keep) as path:
        weights = read_published_file(format, path, architecture)
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
            raise UserError(f"{reason}; make room, or allow it") from error


def _save(out: Path, weights: Mapping[str, Array], metadata: str) -> None:
    """Write the checkpoint, if there is room for it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    needed = sum(array.nbytes for array in weights.values())
    free = shutil.disk_usage(out.parent).free
    if needed > free:
        raise UserError(f"{out}: needs {needed} bytes, but {out.parent} has {free} free; make room")
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
            raise UserError(f"{path}: no such file; correct the table's row of {member.model}")
        Checksum(path, **claims).check(path)
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
        raise UserError(f"{error.filename or path}: {error.strerror or error}; mend it") from error


def _discard(path: Path) -> None:
    """Delete a file that is not needed any more; one that may not be deleted stays."""
    try:
        path.unlink(missing_ok=True)
    except PermissionError as error:
        print(f"{path}: stays in the cache ({error.strerror}); delete it", file=sys.stderr)
