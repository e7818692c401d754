"""Weight map of the ``bert_NN.zip`` archives of McCoy et al. (2020): TensorFlow 1 checkpoints.

Kernels are (in, out). The archives also hold the step and the two Adam moments of each variable,
which are dropped. The head's rows are contradiction, entailment, neutral, as in ``bert``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np

from sharpness.checkpoints.bert import Part, parts
from sharpness.checkpoints.weight_map import Array, WeightEntry, to_network
from sharpness.data.unpack import unpacked
from sharpness.io.errors import UserError


def entries(architecture: Mapping[str, Any]) -> list[WeightEntry]:
    """Return the map from names in a file to ours for a ``bert``: 201 variables at depth 12."""
    return [entry for part in parts(architecture) for entry in _part(part)]


def read(path: str | Path, architecture: Mapping[str, Any]) -> dict[str, Array]:
    """Read the weights of an archive by our network's names; see ``formats.read``.

    It is unpacked into a temporary folder (1.3 GB for BERT-base).
    """
    load = tensorflow(f"{path}: is read by TensorFlow").train.load_checkpoint
    table = entries(architecture)
    shapes = {entry.upstream: list(entry.upstream_shape) for entry in table}
    unused = {"global_step", *(f"{name}/adam_{moment}" for name in shapes for moment in "mv")}
    with TemporaryDirectory() as folder:
        indices = unpacked(Path(path), Path(folder, "bert")).rglob("[!.]*.index")
        newest = max(indices, key=lambda file: (len(file.name), file.name), default=None)
        if newest is None:
            raise UserError(f"{path}: holds no checkpoint (….index) of TensorFlow; wrong format?")
        try:
            file = load(str(newest.with_suffix("")))
            # An array that is not used is not loaded: only its shape is needed.
            arrays = {
                name: file.get_tensor(name)
                if shape == shapes.get(name)
                else np.broadcast_to(np.float32(0), shape)
                for name, shape in file.get_variable_to_shape_map().items()
            }
        except Exception as error:  # a damaged file may raise anything
            raise UserError(f"{path}: is no whole checkpoint ({error}); fetch it again") from error
    return to_network(table, arrays, str(path), unused)


def tensorflow(what: str) -> ModuleType:
    """Import TensorFlow without its log about CPU and GPU.

    Raises UserError, with a message that begins with ``what``, if it cannot be imported.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with suppress(ImportError):
        import triton  # noqa: F401 (PyTorch's; each has an LLVM, and this one must be the first)
    try:
        import tensorflow
    except ImportError as error:
        raise UserError(f"{what}, which is missing ({error}); type `make tensorflow`") from error
    return tensorflow


def _part(part: Part) -> list[WeightEntry]:
    path = part.name.replace("layer.", "layer_").replace(".", "/")
    weight, bias = f"{part.name}.weight", f"{part.name}.bias"
    if part.kind == "embedding":
        return [WeightEntry(path, part.shape, weight)]
    if part.kind == "norm":
        return [
            WeightEntry(f"{path}/gamma", part.shape, weight),
            WeightEntry(f"{path}/beta", part.shape, bias),
        ]
    outside = part.shape[:1]
    if part.name == "classifier":
        return [
            WeightEntry("output_weights", part.shape, weight),
            WeightEntry("output_bias", outside, bias),
        ]
    return [
        WeightEntry(f"{path}/kernel", part.shape[::-1], weight, (1, 0)),
        WeightEntry(f"{path}/bias", outside, bias),
    ]
