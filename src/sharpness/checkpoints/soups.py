"""The ``.pt`` files of model soups (Wortsman et al., 2022): CLIP's visual tower and a linear head.

The files also hold six tensors of CLIP's text side. No image reaches them, so they are dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sharpness.checkpoints.torch_file import read_tensors, write_tensors
from sharpness.checkpoints.weight_map import Array, WeightEntry, apply, invert

_CONTEXT, _VOCABULARY = 77, 49408
"""Sizes of CLIP's text side."""


def entries(architecture: Mapping[str, Any]) -> list[WeightEntry]:
    """The name table of a ``clip-vit``: 154 tensors at depth 12."""
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
    """Names and shapes of the six tensors that the files hold for nothing."""
    return {
        "model.positional_embedding": (_CONTEXT, embedding),
        "model.text_projection": (embedding, embedding),
        "model.logit_scale": (),
        "model.token_embedding.weight": (_VOCABULARY, embedding),
        "model.ln_final.weight": (embedding,),
        "model.ln_final.bias": (embedding,),
    }


def read(path: str | Path, architecture: Mapping[str, Any]) -> dict[str, Array]:
    """The weights of a file, under the names of our network; see ``convert.read``."""
    extras = text_side(architecture["embedding"])
    return apply(entries(architecture), read_tensors(path), str(path), extras)


def write(path: str | Path, weights: Mapping[str, Array], architecture: Mapping[str, Any]) -> None:
    """Write a file as published, its text side all zeros; see ``convert.write``."""
    arrays = invert(entries(architecture), weights)
    for name, shape in text_side(architecture["embedding"]).items():
        # A view of one number has the shape of all these zeros, and costs no space in the file.
        arrays[name] = np.broadcast_to(np.float32(0), shape)
    write_tensors(path, arrays)


def _block(name: str, dim: int, hidden: int) -> dict[str, tuple[int, ...]]:
    """One layer of the tower, in the order of the published files."""
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
    """A weight and a bias: of a norm, or of a linear layer."""
    weight = (outside,) if inside is None else (outside, inside)
    return {f"{name}.weight": weight, f"{name}.bias": (outside,)}
