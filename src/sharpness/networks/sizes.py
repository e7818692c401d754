"""Limits on network sizes. Needs no torch: the configuration checks them before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, Strict, TypeAdapter, ValidationError

from sharpness.io.errors import UserError
from sharpness.io.validation import complaint

Size = Annotated[int, Strict(), Field(gt=0, le=65_536)]
"""Units of a layer, or pixels of an image side; with more, a tensor cannot hold the weights."""

Blocks = Annotated[list[Size], Field(min_length=1, max_length=8)]
"""Number of blocks in each stage of a network; each stage doubles the width."""

_SIZE, _BLOCKS = TypeAdapter[int](Size), TypeAdapter[list[int]](Blocks)


def check_sizes(architecture: Mapping[str, Any]) -> None:
    """Raise UserError if a size is out of range, or sizes do not fit each other.

    ``architecture`` holds ``name`` and sizes, as for `sharpness.networks.build`.
    """
    sizes = dict(architecture)
    name = sizes.pop("name")
    where = f"architecture {name}"
    for key, value in sizes.items():
        try:
            (_BLOCKS if key == "blocks" else _SIZE).validate_python(value)
        except ValidationError as error:
            raise UserError(f"{where}: {key}: {complaint(error, value)}") from None
    image, patch = sizes.get("image_size", 0), sizes.get("patch_size", 1)
    if image % patch:
        raise UserError(f"{where}: patch_size {patch} does not divide an image of {image} pixels")
    dim, heads = sizes.get("dim", 0), sizes.get("heads", 1)
    if name == "simple-vit":
        if dim % 4 or dim < 8:
            raise UserError(f"{where}: dim is {dim}; it must be a multiple of 4, at least 8")
    elif dim % heads:
        raise UserError(f"{where}: heads is {heads}, which does not divide dim, {dim}")
