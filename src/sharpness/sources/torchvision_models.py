"""``torchvision:NAME[@WEIGHTS]``: a classifier of torchvision."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import nn

from sharpness.io.errors import UserError
from sharpness.io.validation import hint
from sharpness.sources.grammar import ModelSource, parse_model
from sharpness.sources.preparation import ImageInputs


def build(source: ModelSource, classes: int | None) -> nn.Module:
    """Build the network; ``classes`` is ignored for pretrained weights, whose head is kept."""
    from torchvision import models

    name, weights = _named(source)
    if source.pretrained:
        _check_there(source, weights)
        return models.get_model(name, weights=weights, **source.arguments)
    if "@" in source.source and not source.checkpoint:
        raise UserError(
            f"{source.source}: names weights; take them with --pretrained, in a table with "
            "`pretrained` yes, or leave their name out"
        )
    own = {} if classes is None else {"num_classes": classes}
    if name in ("googlenet", "inception_v3"):
        own |= {"init_weights": True}  # otherwise a warning that this is about to change
    return models.get_model(name, weights=None, **{**own, **source.arguments})


def _check_there(source: ModelSource, weights: Any) -> None:
    """Raise UserError, while offline, if the weights are not in torchvision's cache."""
    file = Path(torch.hub.get_dir(), "checkpoints", PurePosixPath(weights.url).name)
    if os.environ.get("HF_HUB_OFFLINE") == "1" and not file.is_file():
        raise UserError(
            f"{source.source}: {file} is not there, and there is no network; fetch it where there "
            "is one, or name a checkpoint"
        )


def preparation(source: ModelSource, model: nn.Module) -> ImageInputs:
    """Return the transforms of the named weights, or of the default ones if none are named."""
    _, weights = _named(source)
    transform = weights.transforms()
    description = {
        "library": "torchvision",
        "weights": str(weights),
        "transforms": " ".join(str(transform).split()),
    }
    return ImageInputs(description, transform)


def output_names(source: ModelSource, model: nn.Module) -> tuple[str, ...]:
    """Return the categories of pretrained weights."""
    _, weights = _named(source)
    return tuple(weights.meta.get("categories", ())) if source.pretrained else ()


def _named(source: ModelSource) -> tuple[str, Any]:
    """Return the network's name and its weights' entry, which is the default if none is named."""
    from torchvision import models

    name, _, wanted = parse_model(source.source)[1].partition("@")
    classifiers = models.list_models(models)
    if name not in classifiers:
        known = hint(name, classifiers)
        raise UserError(f"{source.source}: torchvision has no such classifier; {known}")
    entries = models.get_model_weights(name)
    if wanted and wanted != "DEFAULT" and wanted not in entries.__members__:
        known = hint(wanted, ["DEFAULT", *entries.__members__])
        raise UserError(f"{source.source}: there are no such weights; {known}")
    return name, entries[wanted] if wanted else entries.DEFAULT
