"""``timm:NAME``: a classifier of timm."""

from __future__ import annotations

from typing import Any

from torch import nn

from sharpness.io.errors import UserError
from sharpness.io.validation import hint
from sharpness.sources.grammar import ModelSource, parse_model
from sharpness.sources.preparation import ImageInputs


def build(source: ModelSource, classes: int | None) -> nn.Module:
    """Build the network; ``classes`` is ignored for pretrained weights, whose head is kept."""
    import timm

    _, name = parse_model(source.source)
    plain = name.partition(".")[0]
    if ":" not in name and not timm.is_model(plain):
        raise UserError(f"{source.source}: timm has no such network; {hint(plain, _near(plain))}")
    own: dict[str, Any] = {} if classes is None or source.pretrained else {"num_classes": classes}
    return timm.create_model(name, pretrained=source.pretrained, **{**own, **source.arguments})


def _near(name: str) -> list[str]:
    import timm

    return timm.list_models(f"*{name[:4]}*") or ["resnet18", "vit_tiny_patch16_224"]


def preparation(source: ModelSource, model: nn.Module) -> ImageInputs:
    """Return timm's preprocessing for testing, by the network's own configuration."""
    from timm.data.config import resolve_data_config
    from timm.data.transforms_factory import create_transform

    side, channels = (source.arguments.get(name) for name in ("img_size", "in_chans"))
    if channels not in (None, 3):
        raise UserError(
            f"{source.source}: has preprocessing for 3 channels, not {channels}; give --input-size "
            "--mean --std"
        )
    config = resolve_data_config({"img_size": side}, model=model)
    transform = create_transform(**config, is_training=False)
    mode = "L" if config["input_size"][0] == 1 else "RGB"
    kept = {k: list(v) if isinstance(v, tuple) else v for k, v in config.items()}
    return ImageInputs({"library": "timm", **kept}, transform, mode)


def output_names(source: ModelSource, model: nn.Module) -> tuple[str, ...]:
    """Return nothing: timm does not name the outputs of a network."""
    return ()
