"""Make the stand-in data sets, and train a pool's stand-ins and write them as published files."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import rmtree
from time import perf_counter
from typing import Any

import torch

from sharpness.checkpoints import formats
from sharpness.checkpoints.table import PublishedModel
from sharpness.io.download import place
from sharpness.io.errors import UserError
from sharpness.io.files import digest, read_json, sha256, write_json
from sharpness.measures.error_rates import error_and_loss
from sharpness.mini import berts, clips, vits
from sharpness.mini.photo_files import write_photos
from sharpness.mini.sentences import write_sentences
from sharpness.mini.small_sets import write_small_sets

_LISTED = "made.json"
"""File with the digests of the stand-ins from which ``cache`` was filled."""


def write_data(own: Path) -> dict[str, str]:
    """Write all stand-in data sets to ``own/folders`` and ``own/mirror``; return their `digests`.

    ``own/cache``, which holds downloads from the mirror, is removed if the stand-ins changed.
    """
    for name in ("folders", "mirror"):
        rmtree(own / name, ignore_errors=True)
    write_photos(own)
    write_sentences(own / "mirror")
    write_small_sets(own / "mirror")
    made = digests(own)
    if not (own / _LISTED).exists() or read_json(own / _LISTED) != made:
        rmtree(own / "cache", ignore_errors=True)
        write_json(own / _LISTED, made)
    return made


def digests(own: Path) -> dict[str, str]:
    """Return a digest of each stand-in by its path below ``own``: a file or a folder of photos.

    The digest of a file is its SHA-256.
    """
    files = [path for path in (own / "mirror").rglob("*") if path.is_file()]
    return {
        str(path.relative_to(own)): _digest(path)
        for path in sorted([*(own / "folders").glob("*"), *files])
    }


def _digest(path: Path) -> str:
    if path.is_file():
        return sha256(path)
    return digest({str(p.relative_to(path)): sha256(p) for p in path.rglob("*") if p.is_file()})


MAKERS = {"augreg": vits.standins, "soups": clips.standins, "bert": berts.standins}
"""Makers of stand-ins, by the format of the publishers' files."""


def make_standins(
    format: str, members: Sequence[PublishedModel], architecture: Mapping[str, Any], mirror: Path
) -> dict[str, dict[str, float]]:
    """Train stand-ins for published models and write them as the publishers' files.

    The file of a model lies in the folder ``mirror`` at the ``HOST/PATH`` of its URL.

    Returns:
        For each model, its error rate (a fraction) on each part.

    Raises:
        UserError: if there are no stand-ins in this format.
    """
    if format not in MAKERS:
        raise UserError(f"standins: there are none in the format {format!r}; set `standins: false`")
    torch.set_num_threads(1)
    trained, parts = MAKERS[format](architecture)
    found = {}
    for number, member in enumerate(members, start=1):
        start = perf_counter()
        network = trained(member)
        errors = {part: error_and_loss(network, parts[part])[0] for part in parts}
        weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
        formats.write(format, mirror / place(member.url), weights, architecture)
        found[member.model] = errors
        said = f"{member.model}: test error {errors['test']:.1%}, {perf_counter() - start:.1f} s"
        print(f"{number} of {len(members)}: {said}", file=sys.stderr, flush=True)
    return found
