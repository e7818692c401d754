"""Weight map of model soups' ``.pt`` files (Wortsman et al., 2022): CLIP's image tower and a head.

The files also hold six tensors of CLIP's text encoder, which no image reaches; they are dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sharpness.checkpoints.torch_file import read_tensors, write_tensors
from sharpness.checkpoints.weight_map import Array, WeightEntry, to_file, to_network

_CONTEXT, _VOCABULARY = 77, 49408
"""Sizes of CLIP's text encoder."""


def entries(architecture: Mapping[str, Any]) -> list[WeightEntry]:
    """Return the map from names in a file to ours for a ``clip-vit``: 154 tensors at depth 12."""
    dim, patch = architecture["dim"], architecture["patch_size"]
    embedding, classes = architecture["embedding"], architecture["classes"]
    tokens = (architecture["image_size"] // patch) ** 2 + 1
    visual = {
        "class_embedding": (dim,),
        "positional_embedding": (tokens, dim),
        "proj": (dim, embedding),
        "conv1.weight": (dim, 3, patch, patch),
        **_pair("ln_pre", dim),
    }
    for index in range(architecture["depth"]):
        visual |= _block(f"transformer.resblocks.{index}", dim, architecture["mlp_dim"])
    visual |= _pair("ln_post", dim)
    return [
        *(
            WeightEntry(f"model.visual.{name}", shape, f"visual.{name}")
            for name, shape in visual.items()
        ),
        WeightEntry("classification_head.weight", (classes, embedding), "head.weight"),
        WeightEntry("classification_head.bias", (classes,), "head.bias"),
    ]


def text_side(embedding: int) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the six unused tensors of CLIP's text encoder."""
    return {
        "model.positional_embedding": (_CONTEXT, embedding),
        "model.text_projection": (embedding, embedding),
        "model.logit_scale": (),
        "model.token_embedding.weight": (_VOCABULARY, embedding),
        "model.ln_final.weight": (embedding,),
        "model.ln_final.bias": (embedding,),
    }


def read(path: str | Path, architecture: Mapping[str, Any]) -> dict[str, Array]:
    """Read the weights of a file under our network's names; see ``formats.read``."""
    extras = text_side(architecture["embedding"])
    return to_network(entries(architecture), read_tensors(path), str(path), extras)


def write(path: str | Path, weights: Mapping[str, Array], architecture: Mapping[str, Any]) -> None:
    """Write a file as published, text side all zeros; see ``formats.write``."""
    arrays = to_file(entries(architecture), weights)
    for name, shape in text_side(architecture["embedding"]).items():
        # A broadcast view of one zero takes no space in the file.
        arrays[name] = np.broadcast_to(np.float32(0), shape)
    write_tensors(path, arrays)


def _block(name: str, dim: int, hidden: int) -> dict[str, tuple[int, ...]]:
    """Return the tensors of one layer of the tower, in the order of the published files."""
    return {
        f"{name}.attn.in_proj_weight": (3 * dim, dim),
        f"{name}.attn.in_proj_bias": (3 * dim,),
        f"{name}.attn.out_proj.weight": (dim, dim),
        f"{name}.attn.out_proj.bias": (dim,),
        **_pair(f"{name}.ln_1", dim),
        **_pair(f"{name}.mlp.c_fc", hidden, dim),
        **_pair(f"{name}.mlp.c_proj", dim, hidden),
        **_pair(f"{name}.ln_2", dim),
    }


def _pair(name: str, outside: int, inside: int | None = None) -> dict[str, tuple[int, ...]]:
    weight = (outside,) if inside is None else (outside, inside)
    return {f"{name}.weight": weight, f"{name}.bias": (outside,)}
