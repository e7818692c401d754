"""The publishers' file formats: read their weights under our names, and write them back."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sharpness.checkpoints import augreg, bert, released, soups
from sharpness.checkpoints.weight_map import Array
from sharpness.io.errors import UserError

_READERS = {
    "augreg": augreg.read,
    "soups": soups.read,
    "bert": bert.read,
    "bert-tf1": bert.read_tf1,
    "cifar10-released": released.read,
}
_WRITERS = {"augreg": augreg.write, "soups": soups.write, "bert": bert.write}
FORMATS = tuple(_READERS)


def read(format: str, path: str | Path, architecture: Mapping[str, Any]) -> dict[str, Array]:
    """Read the weights of a published file as a state dict of float32 arrays with our names.

    NaN and infinite weights are allowed, with a message on stderr: a model that diverged is a
    result, and must not keep the others of its pool out. ``format`` is one of ``FORMATS``, and
    ``architecture`` is as ``networks.build`` takes it.

    Raises:
        UserError: naming the file and what in it is broken, missing, left over or of a wrong shape.
    """
    _check_format(format)
    weights = _READERS[format](path, architecture)
    odd = [name for name, array in weights.items() if not np.isfinite(array).all()]
    if odd:
        more = f" and {len(odd) - 1} more" if odd[1:] else ""
        print(f"{path}: {odd[0]}{more}: NaN or infinite; the model diverged", file=sys.stderr)
    return weights


def write(
    format: str, path: str | Path, weights: Mapping[str, Array], architecture: Mapping[str, Any]
) -> None:
    """Write weights in a publisher's format, atomically: same names, shapes and types.

    Raises:
        UserError: if the weights are not those of the architecture, or the format is only read, as
            ``cifar10-released`` and ``bert-tf1`` are.
    """
    _check_format(format)
    if format not in _WRITERS:
        raise UserError(f"format {format!r} is only read; none of its files can be written")
    _WRITERS[format](path, weights, architecture)


def _check_format(format: str) -> None:
    if format not in FORMATS:
        raise UserError(f"format {format!r} is unknown; it is one of {', '.join(FORMATS)}")
