"""The papers' architectures, built from a plain description.

Those of the CIFAR-10 sweeps (Sec. 5.1) are written here; those of the pretrained pools (Sec. 4)
come from libraries, which take seconds to import and are imported only when one is built. Without
torch, too, the configuration checks their sizes before anything runs.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, Strict, TypeAdapter, ValidationError

from sharpness.io.errors import UserError
from sharpness.io.validation import complaint

if TYPE_CHECKING:
    import torch
    from torch import nn

NAMES = ("preact-resnet", "simple-vit", "vit", "clip-vit", "bert")

Size = Annotated[int, Strict(), Field(gt=0, le=65_536)]
"""Units of a layer, or pixels of an image side; with more, a tensor cannot hold the weights."""

Blocks = Annotated[list[Size], Field(min_length=1, max_length=8)]
"""Number of blocks in each stage of a network; each stage doubles the width."""

_SIZE, _BLOCKS = TypeAdapter[int](Size), TypeAdapter[list[int]](Blocks)


def build(architecture: Mapping[str, Any]) -> nn.Module:
    """Build the network of a description, with random weights.

    Args:
        architecture: ``name`` (one of ``NAMES``) and every argument of that network's constructor;
            there are no defaults, so that a checkpoint states all of them.

    Raises:
        UserError: for an unknown name, a missing or unknown argument, or a size that does not fit.
    """
    sizes = dict(architecture)
    name = sizes.pop("name", None)
    if name not in NAMES:
        raise UserError(f"architecture: name is {name!r}; it is one of {', '.join(NAMES)}")
    network = _class(name)
    expected = set(inspect.signature(network).parameters)
    for key in sorted(sizes.keys() ^ expected):
        what = "is missing" if key in expected else "is unknown"
        raise UserError(
            f"architecture {name}: {key} {what}; it takes {', '.join(sorted(expected))}"
        )
    check_sizes(architecture)
    return network(**sizes)


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw fresh weights from a generator, with PyTorch's default distribution.

    Weights and biases of linear and convolutional layers are uniform in ±1/√(fan-in); norms start
    as the identity.
    """
    from torch import nn  # the configuration checks sizes without torch

    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            bound = module.weight[0].numel() ** -0.5
            for parameter in module.parameters():
                nn.init.uniform_(parameter, -bound, bound, generator=generator)
        elif isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
            module.reset_parameters()


def _class(name: str) -> type[nn.Module]:
    """Return the class of an architecture; its module is imported only when needed."""
    if name == "preact-resnet":
        from sharpness.networks.preact_resnet import PreActResNet

        return PreActResNet
    if name == "simple-vit":
        from sharpness.networks.simple_vit import SimpleViT

        return SimpleViT
    if name == "vit":
        from sharpness.networks.vision_transformer import ViT

        return ViT
    if name == "clip-vit":
        from sharpness.networks.clip_vit import ClipViT

        return ClipViT
    from sharpness.networks.bert import Bert

    return Bert


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
