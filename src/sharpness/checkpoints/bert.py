"""Weight maps of BERTs fine-tuned on MNLI (McCoy et al., 2020), published in two formats.

In ``pytorch_model.bin``, tensors have the same names as in our network. ``bert_NN.zip`` is a
TensorFlow 1 checkpoint with kernels (in, out); it also holds the step and the two Adam moments of
each variable, which are dropped. In both, the rows of the head stay in the order of Google's code:
contradiction, entailment, neutral. Other data sets and models number these classes otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from sharpness.checkpoints.torch_file import read_tensors, write_tensors
from sharpness.checkpoints.weight_map import Array, WeightEntry, to_file, to_network
from sharpness.data.unpack import unpacked
from sharpness.io.errors import UserError

POSITION_IDS = "bert.embeddings.position_ids"
"""The numbers 0, 1, ... that older releases of transformers stored with the weights."""


class Part(NamedTuple):
    """A layer of the network, named as there without the tensor's own name.

    ``kind`` is ``embedding`` (a weight), ``norm`` or ``dense`` (a weight and a bias). ``shape`` is
    that of the weight, (out, in) for a dense layer.
    """

    name: str
    kind: str
    shape: tuple[int, ...]


def parts(architecture: Mapping[str, Any]) -> list[Part]:
    """Return all layers of a ``bert``, in its order."""
    dim = architecture["dim"]
    tables = {
        "word": architecture["vocabulary"],
        "position": architecture["positions"],
        "token_type": architecture["types"],
    }
    layers = range(architecture["depth"])
    return [
        *(
            Part(f"bert.embeddings.{name}_embeddings", "embedding", (rows, dim))
            for name, rows in tables.items()
        ),
        Part("bert.embeddings.LayerNorm", "norm", (dim,)),
        *(part for layer in layers for part in _layer(layer, dim, architecture["mlp_dim"])),
        Part("bert.pooler.dense", "dense", (dim, dim)),
        Part("classifier", "dense", (architecture["classes"], dim)),
    ]


def entries(architecture: Mapping[str, Any]) -> list[WeightEntry]:
    """Return the map from names in a file to ours for a ``bert``: 201 tensors at depth 12."""
    return [
        WeightEntry(name, shape, name)
        for part in parts(architecture)
        for name, shape in tensors(part).items()
    ]


def tensors(part: Part) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of a layer's tensors."""
    weight = {f"{part.name}.weight": part.shape}
    return weight if part.kind == "embedding" else weight | {f"{part.name}.bias": part.shape[:1]}


def read(path: str | Path, architecture: Mapping[str, Any]) -> dict[str, Array]:
    """Read the weights of a file under our network's names; see ``formats.read``."""
    return to_network(entries(architecture), read_tensors(path), str(path), {POSITION_IDS})


def write(path: str | Path, weights: Mapping[str, Array], architecture: Mapping[str, Any]) -> None:
    """Write a file as published, with position ids; see ``formats.write``."""
    numbers: Array = np.arange(architecture["positions"], dtype=np.int64)[None]
    write_tensors(path, {POSITION_IDS: numbers} | to_file(entries(architecture), weights))


def _layer(index: int, dim: int, hidden: int) -> list[Part]:
    name = f"bert.encoder.layer.{index}"
    return [
        *(
            Part(f"{name}.attention.self.{role}", "dense", (dim, dim))
            for role in ("query", "key", "value")
        ),
        Part(f"{name}.attention.output.dense", "dense", (dim, dim)),
        Part(f"{name}.attention.output.LayerNorm", "norm", (dim,)),
        Part(f"{name}.intermediate.dense", "dense", (hidden, dim)),
        Part(f"{name}.output.dense", "dense", (dim, hidden)),
        Part(f"{name}.output.LayerNorm", "norm", (dim,)),
    ]


def entries_tf1(architecture: Mapping[str, Any]) -> list[WeightEntry]:
    """Return the map from names in a ``.zip`` to ours for a ``bert``: 201 variables at depth 12."""
    return [entry for part in parts(architecture) for entry in _tf1_variables(part)]


def read_tf1(path: str | Path, architecture: Mapping[str, Any]) -> dict[str, Array]:
    """Read the weights of an archive by our network's names; see ``formats.read``.

    It is unpacked into a temporary folder (1.3 GB for BERT-base).
    """
    load = tensorflow(f"{path}: is read by TensorFlow").train.load_checkpoint
    table = entries_tf1(architecture)
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


def _tf1_variables(part: Part) -> list[WeightEntry]:
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
