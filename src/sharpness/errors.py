"""How wrong a model is on a set of images."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from sharpness.data.images import Images
from sharpness.objective import evaluation_mode

ROWS = 1024
"""Images in one forward pass."""


@torch.no_grad()
def error_and_loss(model: nn.Module, images: Images) -> tuple[float, float]:
    """The share of images that the model gets wrong, and its mean cross-entropy.

    Args:
        model: measured in evaluation mode, left as it was.
        images: unaugmented, on any device.

    Returns:
        (error in [0, 1], loss); NaN logits count as wrong and make the loss NaN.
    """
    device = next(model.parameters()).device
    wrong, total = 0, 0.0
    with evaluation_mode(model):
        for start in range(0, len(images), ROWS):
            part = images.subset(slice(start, start + ROWS)).to(device)
            logits = model(part.normalized())
            right = (logits.argmax(dim=1) == part.labels) & logits.isfinite().all(dim=1)
            wrong += len(part) - int(right.sum())
            total += float(cross_entropy(logits, part.labels, reduction="sum"))
    return wrong / len(images), total / len(images)
