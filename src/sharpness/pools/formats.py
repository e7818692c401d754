"""The file formats of published models, each read and written by its own module."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from sharpness.pools import augreg, berts, berts_tf1, released, soups
from sharpness.pools.names import Array
from sharpness.problem import Problem

REVISION = 1
"""Of the conversion: a higher number makes every checkpoint anew."""

_MODULES = {
    "augreg": augreg,
    "soups": soups,
    "bert": berts,
    "bert-tf1": berts_tf1,
    "cifar10-released": released,
}
FORMATS = tuple(_MODULES)


def read(format: str, path: str | Path, architecture: Mapping[str, Any]) -> dict[str, Array]:
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
        Problem: naming the file and what in it is broken, missing, left over or of a wrong shape.
    """
    weights: dict[str, Array] = _module(format).read(path, architecture)
    odd = [name for name, array in weights.items() if not np.isfinite(array).all()]
    if odd:
        more = f" and {len(odd) - 1} more" if odd[1:] else ""
        print(f"{path}: {odd[0]}{more}: NaN or infinite; the model diverged", file=sys.stderr)
    return weights


def write(
    format: str, path: str | Path, weights: Mapping[str, Array], architecture: Mapping[str, Any]
) -> None:
    """Write a file as its publishers would: same names, shapes and types.

    Args:
        format: one of ``FORMATS``, but not ``cifar10-released`` or ``bert-tf1``.
        path: where to; whole or absent.
        weights: a state dict of float32 arrays under the names of our network.
        architecture: the network's description.

    Raises:
        Problem: if the weights are not those of the architecture, or the format is only read.
    """
    module = _module(format)
    if not hasattr(module, "write"):
        raise Problem(f"format {format!r} is only read; none of its files can be written")
    module.write(path, weights, architecture)


def _module(format: str) -> ModuleType:
    """The module that reads a format, and writes it if anybody does."""
    if format not in _MODULES:
        raise Problem(f"format {format!r} is unknown; it is one of {', '.join(FORMATS)}")
    return _MODULES[format]
