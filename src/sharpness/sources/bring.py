"""Load the user's own models, and save each as a checkpoint of this project."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sharpness.io.errors import UserError
from sharpness.sources.grammar import ModelSource
from sharpness.sources.models import described, load_model, save_model


def bring(
    name: str,
    source: Mapping[str, Any],
    classes: int,
    places: Mapping[str, Any],
    out: str | Path,
    metadata: Mapping[str, Any],
    *,
    inputs: Mapping[str, Any] | None,
) -> None:
    """Load a model and write its checkpoint atomically.

    Args:
        name: of the model in the table.
        source: the fields of its `ModelSource`.
        classes: number of the data's classes.
        places: cache, mirror and offline flag.
        out: path of the checkpoint, ``….safetensors``.
        metadata: what is written beside the weights, in JSON.
        inputs: size, mean and std of images, in place of the model's own.

    Raises:
        UserError: beginning with the name, if the model cannot be loaded or written.
    """
    try:
        loaded = load_model(ModelSource(**source), classes, places, inputs)
        for line in described(loaded):
            print(f"{name}: {line}", file=sys.stderr)
        save_model(loaded, out, {**metadata, "model": name, "classes": classes})
    except UserError as problem:
        raise UserError(f"{name}: {problem}") from None
