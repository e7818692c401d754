"""Weight map of the ``pytorch_model.bin`` of BERTs fine-tuned on MNLI (McCoy et al., 2020).

Tensors have the same names as in our network. The rows of the head stay in the order of Google's
code: contradiction, entailment, neutral. Other data sets and models number these classes otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sharpness.checkpoints.torch_file import read_tensors, write_tensors
from sharpness.checkpoints.weight_map import Array, WeightEntry, to_file, to_network

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
