"""LeNet-5 with BatchNorm and dropout on Fashion-MNIST (Sec. III.B): examples, network, losses."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import batch_norm, conv2d, cross_entropy, linear, max_pool2d

from sharpness.data.small import FashionMnist
from sharpness.studies.hammoud.ascent import Weights, loss_and_gradient

MEAN, DEVIATION = 0.2860, 0.3530
"""Of all training pixels, divided by 255; to four digits, as in the notebook."""


@dataclass(frozen=True)
class LenetExamples:
    """Normalized images (n, 1, 28, 28), float32, and labels (n,), int64.

    The images are channels last in memory, which is faster by a fifth.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        """Return the number of examples, n."""
        return len(self.labels)

    def __getitem__(self, index: Tensor) -> LenetExamples:
        """Return the examples at some indices."""
        # With one channel, indexing (n, 1, 28, 28) would lose the channels-last layout.
        rows = self.images.permute(0, 2, 3, 1).index_select(0, index)
        return LenetExamples(rows.permute(0, 3, 1, 2), self.labels.index_select(0, index))


def training(data: FashionMnist) -> LenetExamples:
    """Return the training examples, normalized."""
    return _examples(data.train_images, data.train_labels)


def test(data: FashionMnist) -> LenetExamples:
    """Return the test examples, normalized with the training set's mean and deviation."""
    return _examples(data.test_images, data.test_labels)


def lenet_epoch(
    examples: LenetExamples, size: int, generator: torch.Generator
) -> Iterator[LenetExamples]:
    """Yield all examples once in a new order, in batches of ``size``; the last may be smaller."""
    for index in torch.randperm(len(examples), generator=generator).split(size):
        yield examples[index]


def _examples(pixels: NDArray[np.uint8], labels: NDArray[np.uint8]) -> LenetExamples:
    values = torch.from_numpy(pixels).to(torch.float32)[..., None]  # (n, 28, 28, 1)
    values.div_(255).sub_(MEAN).div_(DEVIATION)
    return LenetExamples(values.permute(0, 3, 1, 2), torch.from_numpy(labels).to(torch.int64))


Statistics = dict[str, Tensor]

SHAPES = {
    "conv1.weight": (12, 1, 5, 5),
    "conv1.bias": (12,),
    "norm1.weight": (12,),
    "norm1.bias": (12,),
    "conv2.weight": (32, 12, 5, 5),
    "conv2.bias": (32,),
    "norm2.weight": (32,),
    "norm2.bias": (32,),
    "fc1.weight": (256, 512),
    "fc1.bias": (256,),
    "fc2.weight": (128, 256),
    "fc2.bias": (128,),
    "fc3.weight": (10, 128),
    "fc3.bias": (10,),
}
"""Shapes of the parameters, in the order of the layers."""

KEEP = 0.5
"""Probability with which dropout keeps a unit."""


def lenet_initial(kind: str, generator: torch.Generator) -> Weights:
    """Draw initial weights; BatchNorm's weights are 1, its biases 0.

    ``kind`` is "xavier" (uniform, other biases 0) or "torch" (uniform within 1/√fan_in, biases
    too).
    """
    return {name: _initial(name, kind, generator) for name in SHAPES}


def fresh_statistics() -> Statistics:
    """Return BatchNorm's initial running statistics: means 0, variances 1."""
    return {
        f"{norm}.{statistic}": torch.full((SHAPES[f"{norm}.bias"]), value)
        for norm in ("norm1", "norm2")
        for statistic, value in (("mean", 0.0), ("variance", 1.0))
    }


def dropout(examples: int, generator: torch.Generator) -> Tensor:
    """Draw the dropout of both layers: 0 or 1/KEEP for each unit, (examples, 256 + 128)."""
    units = SHAPES["fc1.bias"][0] + SHAPES["fc2.bias"][0]
    return torch.empty(examples, units).bernoulli_(KEEP, generator=generator).div_(KEEP)


def logits(
    weights: Weights, statistics: Statistics, images: Tensor, kept: Tensor | None = None
) -> Tensor:
    """Return the logits, (n, 10), of images (n, 1, 28, 28).

    ``kept``, a draw of `dropout`, selects train mode, which moves the running ``statistics`` in
    place, by a tenth of the way to the batch's. None is eval mode, which uses them unchanged.
    """

    def convolved(x: Tensor, layer: int) -> Tensor:
        x = conv2d(x, weights[f"conv{layer}.weight"], weights[f"conv{layer}.bias"])
        norm = f"norm{layer}"
        x = batch_norm(
            x,
            statistics[f"{norm}.mean"],
            statistics[f"{norm}.variance"],
            weights[f"{norm}.weight"],
            weights[f"{norm}.bias"],
            training=kept is not None,
        )
        return max_pool2d(x, 2).relu()  # equals relu first, as both are monotone, but is faster

    def connected(x: Tensor, layer: int) -> Tensor:
        return linear(x, weights[f"fc{layer}.weight"], weights[f"fc{layer}.bias"])

    x = convolved(convolved(images, 1), 2).flatten(1)  # (n, 512)
    hidden = connected(x, 1).relu()
    if kept is not None:
        hidden = hidden * kept[:, : hidden.shape[1]]
    last = connected(hidden, 2).relu()
    if kept is not None:
        last = last * kept[:, hidden.shape[1] :]
    return connected(last, 3)


def _initial(name: str, kind: str, generator: torch.Generator) -> Tensor:
    shape = SHAPES[name]
    layer, role = name.split(".")
    if layer.startswith("norm"):
        return torch.ones(shape) if role == "weight" else torch.zeros(shape)
    outputs, *inputs = SHAPES[f"{layer}.weight"]
    fan_in, fan_out = math.prod(inputs), outputs * math.prod(inputs[1:])
    if kind == "torch":
        bound = 1 / math.sqrt(fan_in)
    else:
        bound = math.sqrt(6 / (fan_in + fan_out)) if role == "weight" else 0.0
    weights = torch.empty(shape).uniform_(-bound, bound, generator=generator)
    return weights.to(memory_format=torch.channels_last) if len(shape) == 4 else weights


_AT_ONCE = 128  # examples whose activations still fit the cache


def loss_and_slope(
    weights: Weights, statistics: Statistics, batch: LenetExamples, dropped: torch.Generator | None
) -> tuple[float, Weights]:
    """Return the mean cross-entropy of a batch and its gradient by the weights.

    ``dropped`` draws dropout in train mode, which moves ``statistics``; None is eval mode.
    """
    kept = None if dropped is None else dropout(len(batch), dropped)

    def loss(w: Weights, S: LenetExamples) -> Tensor:
        return cross_entropy(logits(w, statistics, S.images, kept), S.labels)

    value, slope = loss_and_gradient(loss, weights, batch)
    return float(value), slope


def lenet_outputs(weights: Weights, statistics: Statistics, examples: LenetExamples) -> Tensor:
    """Return the logits of examples in eval mode, (n, 10)."""
    with torch.no_grad():
        parts = [logits(weights, statistics, part) for part in examples.images.split(_AT_ONCE)]
    return torch.cat(parts)


def mean_loss(outputs: Tensor, labels: Tensor, batch: int | None = None) -> float:
    """Return the mean cross-entropy of logits (n, classes) and labels (n,).

    With ``batch``, it is the mean of the means of batches of that size, the last of which may be
    smaller.
    """
    losses = cross_entropy(outputs, labels, reduction="none").double()
    if batch is None:
        return float(losses.mean())
    return float(torch.stack([part.mean() for part in losses.split(batch)]).mean())
