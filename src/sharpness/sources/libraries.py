"""What each scheme of models provides: building, preprocessing, and names of the outputs."""

from __future__ import annotations

from typing import Protocol

from torch import nn

from sharpness.sources import (
    hugging_face,
    open_clip_models,
    own_code,
    timm_models,
    torchvision_models,
)
from sharpness.sources.grammar import MODULE, ModelSource
from sharpness.sources.preparation import Preparation


class Library(Protocol):
    """A module of this package that gives the models of one scheme."""

    def build(self, source: ModelSource, classes: int | None) -> nn.Module:
        """Build the model, with ``classes`` outputs unless that is None, or the weights fix them.

        If ``source.pretrained``, it has the library's own weights, otherwise random ones.
        """

    def preparation(self, source: ModelSource, model: nn.Module) -> Preparation | None:
        """Return the model's own preprocessing; None if it has none."""

    def output_names(self, source: ModelSource, model: nn.Module) -> tuple[str, ...]:
        """Return the names of the outputs; empty if they have none."""


LIBRARIES: dict[str, Library] = {
    "timm": timm_models,
    "torchvision": torchvision_models,
    "hf": hugging_face,
    "open_clip": open_clip_models,
    MODULE: own_code,
}
"""By scheme; the libraries themselves are imported when a model of theirs is built."""
