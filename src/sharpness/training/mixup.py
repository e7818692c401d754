"""Mixup (Zhang et al., 2018): training on convex combinations of images and labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot


def mixup(
    inputs: Tensor, labels: Tensor, classes: int, weight: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mix each row of a batch with a random other one, all in the same proportion.

    Args:
        inputs: (n, c, h, w), floating.
        labels: (n,), class numbers.
        classes: number of classes.
        weight: share of a row in its own mixture, drawn from Beta(α, α) once a batch.
        generator: on the device of the inputs; draws the partners.

    Returns:
        The mixed inputs, and the mixed labels as probabilities (n, classes).
    """
    partner = torch.randperm(len(inputs), generator=generator, device=inputs.device)
    targets = one_hot(labels, classes).to(inputs.dtype)
    return inputs.lerp(inputs[partner], 1 - weight), targets.lerp(targets[partner], 1 - weight)
