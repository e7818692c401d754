"""The network's loss: of a batch with its gradient, and of a whole set."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from sharpness.simple.small_networks.ascent import Weights, loss_and_gradient
from sharpness.simple.small_networks.lenet.images import Examples
from sharpness.simple.small_networks.lenet.network import Statistics, dropout, logits

_AT_ONCE = 128  # examples whose activations still fit the cache


def loss_and_slope(
    weights: Weights, statistics: Statistics, batch: Examples, dropped: torch.Generator | None
) -> tuple[float, Weights]:
    """The mean cross-entropy of a batch and its gradient by the weights.

    Args:
        weights: of the network.
        statistics: its running statistics; train mode moves them.
        batch: the examples.
        dropped: of dropout, in train mode; None is eval mode.
    """
    kept = None if dropped is None else dropout(len(batch), dropped)

    def loss(w: Weights, S: Examples) -> Tensor:
        return cross_entropy(logits(w, statistics, S.images, kept), S.labels)

    value, slope = loss_and_gradient(loss, weights, batch)
    return float(value), slope


def outputs(weights: Weights, statistics: Statistics, examples: Examples) -> Tensor:
    """The logits of examples in eval mode, (n, 10)."""
    with torch.no_grad():
        parts = [logits(weights, statistics, part) for part in examples.images.split(_AT_ONCE)]
    return torch.cat(parts)


def mean_loss(outputs: Tensor, labels: Tensor, batch: int | None = None) -> float:
    """The mean cross-entropy of logits (n, classes) and labels (n,).

    Args:
        outputs: the logits.
        labels: the classes.
        batch: None weighs all examples alike; a number takes the mean of the means of batches of
            that many, the last of which may be smaller.
    """
    losses = cross_entropy(outputs, labels, reduction="none").double()
    if batch is None:
        return float(losses.mean())
    return float(torch.stack([part.mean() for part in losses.split(batch)]).mean())
