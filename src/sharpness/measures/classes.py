"""Logits, targets and margins of a classifier of single examples."""

from __future__ import annotations

from torch import Tensor

from sharpness.measures.blocks import NotApplicable


def class_logits(outputs: Tensor) -> Tensor:
    """Return outputs that are logits (n, K), in 32 bits or more; raise NotApplicable otherwise."""
    if outputs.ndim != 2 or outputs.shape[1] < 2:
        raise NotApplicable(f"outputs of shape {tuple(outputs.shape)} are no logits of classes")
    return outputs.float() if outputs.element_size() < 4 else outputs


def class_targets(logits: Tensor, targets: Tensor) -> Tensor:
    """Return targets that are numbers of classes, (n,); raise NotApplicable otherwise."""
    if targets.shape != logits.shape[:1] or targets.is_floating_point():
        raise NotApplicable(f"targets of shape {tuple(targets.shape)} are no numbers of classes")
    return targets


def margins(logits: Tensor, targets: Tensor) -> Tensor:
    """Return z_y − max over the other classes, (n,): negative where an example is misclassified."""
    logits = class_logits(logits)
    index = class_targets(logits, targets)[:, None].long()
    others = logits.scatter(1, index, float("-inf"))
    return (logits.gather(1, index) - others.amax(dim=1, keepdim=True)).squeeze(1)
