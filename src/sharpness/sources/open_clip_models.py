"""``open_clip:ARCH``: CLIP's image tower with the linear head of a fine-tuned checkpoint."""

from __future__ import annotations

import logging
import re
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import normalize

from sharpness.io.errors import UserError
from sharpness.io.validation import hint
from sharpness.sources.grammar import ModelSource, parse_model
from sharpness.sources.preparation import ImageInputs


class ImageClassifier(nn.Module):
    """CLIP's image tower and a linear head on its features, normalized if the head was so."""

    def __init__(self, visual: nn.Module, features: int, classes: int, normalized: bool) -> None:
        """Put a head of ``classes`` outputs on ``features`` features."""
        super().__init__()
        self.visual, self.head = visual, nn.Linear(features, classes)
        self._normalized = normalized

    def forward(self, images: Tensor) -> Tensor:
        """Return logits, (n, classes), of images (n, 3, h, w)."""
        features = self.visual(images)
        return self.head(normalize(features, dim=-1) if self._normalized else features)


def build(source: ModelSource, classes: int | None) -> nn.Module:
    """Build tower and head; the text tower is left out.

    An argument ``normalize: true`` divides the features by their norm, as a zero-shot head wants.

    Raises:
        UserError: without a checkpoint, since CLIP has no head of its own.
    """
    if other := [key for key in source.arguments if key != "normalize"]:
        raise UserError(f"{source.source}: takes no argument {other[0]!r}, only normalize")
    import open_clip

    _, name = parse_model(source.source)
    if name not in open_clip.list_models():
        known = hint(name, open_clip.list_models())
        raise UserError(f"{source.source}: open_clip has no such architecture; {known}")
    if not source.checkpoint:
        raise UserError(
            f"{source.source}: gives features, not logits; name a checkpoint with a linear head"
        )
    logging.disable(logging.WARNING)  # that weights are random; they are loaded afterwards
    try:
        visual = open_clip.create_model(name, pretrained=None).visual
    finally:
        logging.disable(logging.NOTSET)
    features = open_clip.get_model_config(name)["embed_dim"]
    normalized = bool(source.arguments.get("normalize", False))
    return ImageClassifier(visual, features, 1000 if classes is None else classes, normalized)


_HEAD = re.compile(r"(?:.*\.)?(?:head|classification_head|classifier|fc|linear)\.(weight|bias)")
_VISUAL = re.compile(r"(?:.*\.)?(visual\..+)")
"""Names of the head and of the tower in checkpoints, behind any wrapper's prefix."""


def renamed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Name the tensors of a checkpoint as `ImageClassifier` does; the text tower is left out.

    Raises:
        UserError: if there is no linear head, or more than one.
    """
    tower = {m[1]: t for n, t in weights.items() if (m := _VISUAL.fullmatch(n))}
    head = {n: (m[1], t) for n, t in weights.items() if (m := _HEAD.fullmatch(n))}
    head = {n: pair for n, pair in head.items() if not _VISUAL.fullmatch(n)}
    kinds = [kind for kind, _ in head.values()]
    if kinds.count("weight") != 1 or len(kinds) > 2:
        raise UserError(
            "it has no linear head (head.weight or the like), so it gives features, not logits"
            if "weight" not in kinds
            else f"it has several heads: {', '.join(head)}"
        )
    found = tower | {f"head.{kind}": tensor for kind, tensor in head.values()}
    if "bias" not in kinds:
        found["head.bias"] = found["head.weight"].new_zeros(len(found["head.weight"]))
    return found


def preparation(source: ModelSource, model: Any) -> ImageInputs:
    """Return the preprocessing of the tower's own configuration, for testing."""
    from open_clip.transform import PreprocessCfg, image_transform_v2

    config = dict(model.visual.preprocess_cfg)
    transform = image_transform_v2(PreprocessCfg(**config), is_train=False)
    kept = {k: list(v) if isinstance(v, tuple) else v for k, v in config.items()}
    return ImageInputs({"library": "open_clip", **kept}, transform)


def output_names(source: ModelSource, model: nn.Module) -> tuple[str, ...]:
    """Return nothing: a head's outputs have no names."""
    return ()
