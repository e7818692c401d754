"""The papers' architectures, built from a plain description.

Those of the CIFAR-10 sweeps (Sec. 5.1) are written here; those of the pretrained pools (Sec. 4)
come from libraries, which take seconds to import and are imported only when one is built.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sharpness.io.errors import UserError
from sharpness.networks.sizes import check_sizes

if TYPE_CHECKING:
    import torch
    from torch import nn

NAMES = ("preact-resnet", "simple-vit", "vit", "clip-vit", "bert")


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
    from torch import nn  # importing `networks.sizes` must not need torch

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
