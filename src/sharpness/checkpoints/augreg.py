"""Weight map of AugReg's ``.npz`` files (Steiner et al., 2021): vision transformers written by JAX.

Kernels are (in, out) and convolutions (height, width, in, out). Queries, keys and values are three
arrays with an axis for the heads, where the network has one matrix for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from sharpness.checkpoints.weight_map import Array, WeightEntry, to_file, to_network
from sharpness.io.archive import read_npz
from sharpness.io.errors import UserError
from sharpness.io.files import atomic

_HEADER = 256  # largest header of an array, in bytes
_SLACK = 1 << 20  # bytes of arrays without a place in the network, so that small ones are named


def entries(architecture: Mapping[str, Any]) -> list[WeightEntry]:
    """Return the map from names in a file to ours for a ``vit``: 200 arrays at depth 12."""
    dim, patch = architecture["dim"], architecture["patch_size"]
    tokens = (architecture["image_size"] // patch) ** 2 + 1
    classes = architecture["classes"]
    return [
        WeightEntry("cls", (1, 1, dim), "cls_token"),
        WeightEntry(
            "embedding/kernel", (patch, patch, 3, dim), "patch_embed.proj.weight", (3, 2, 0, 1)
        ),
        WeightEntry("embedding/bias", (dim,), "patch_embed.proj.bias"),
        WeightEntry("Transformer/posembed_input/pos_embedding", (1, tokens, dim), "pos_embed"),
        *_norm("Transformer/encoder_norm", "norm", dim),
        *_dense("head", "head", dim, classes),
        *(entry for index in range(architecture["depth"]) for entry in _block(index, architecture)),
    ]


def read(path: str | Path, architecture: Mapping[str, Any]) -> dict[str, Array]:
    """Read the weights of a file under our network's names; see ``formats.read``."""
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file")
    table = entries(architecture)
    most = sum(4 * prod(entry.upstream_shape) + _HEADER for entry in table) + _SLACK
    return to_network(table, read_npz(Path(path), most), str(path))


def write(path: str | Path, weights: Mapping[str, Array], architecture: Mapping[str, Any]) -> None:
    """Write a file as ``numpy.savez`` does, reproducibly; see ``formats.write``."""
    arrays = to_file(entries(architecture), weights)
    with atomic(path) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def _block(index: int, architecture: Mapping[str, Any]) -> list[WeightEntry]:
    theirs, ours = f"Transformer/encoderblock_{index}", f"blocks.{index}"
    dim, heads, hidden = (architecture[key] for key in ("dim", "heads", "mlp_dim"))
    width = dim // heads  # of one head
    attention = f"{theirs}/MultiHeadDotProductAttention_1"
    out, proj = f"{attention}/out", f"{ours}.attn.proj"

    def part_of_qkv(role: str) -> list[WeightEntry]:
        kernel, bias, qkv = f"{attention}/{role}/kernel", f"{attention}/{role}/bias", "attn.qkv"
        return [
            WeightEntry(kernel, (dim, heads, width), f"{ours}.{qkv}.weight", (1, 2, 0), (dim, dim)),
            WeightEntry(bias, (heads, width), f"{ours}.{qkv}.bias", shape=(dim,)),
        ]

    return [
        *_norm(f"{theirs}/LayerNorm_0", f"{ours}.norm1", dim),
        *_norm(f"{theirs}/LayerNorm_2", f"{ours}.norm2", dim),
        *(entry for role in ("query", "key", "value") for entry in part_of_qkv(role)),
        WeightEntry(f"{out}/kernel", (heads, width, dim), f"{proj}.weight", (2, 0, 1), (dim, dim)),
        WeightEntry(f"{out}/bias", (dim,), f"{proj}.bias"),
        *_dense(f"{theirs}/MlpBlock_3/Dense_0", f"{ours}.mlp.fc1", dim, hidden),
        *_dense(f"{theirs}/MlpBlock_3/Dense_1", f"{ours}.mlp.fc2", hidden, dim),
    ]


def _dense(theirs: str, ours: str, inside: int, outside: int) -> list[WeightEntry]:
    return [
        WeightEntry(f"{theirs}/kernel", (inside, outside), f"{ours}.weight", (1, 0)),
        WeightEntry(f"{theirs}/bias", (outside,), f"{ours}.bias"),
    ]


def _norm(theirs: str, ours: str, dim: int) -> list[WeightEntry]:
    return [
        WeightEntry(f"{theirs}/scale", (dim,), f"{ours}.weight"),
        WeightEntry(f"{theirs}/bias", (dim,), f"{ours}.bias"),
    ]
