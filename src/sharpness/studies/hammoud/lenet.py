"""LeNet-5 with BatchNorm and dropout on Fashion-MNIST (Sec. III.B), one model after the other.

The measure is adaptive worst-case sharpness by projected gradient ascent, as in Sec. II.B or in the
notebook. Both compare a loss after every round of steps from the trained weights: the greatest
minus that of the trained weights is the run's rise. They differ in the definition of a round and in
the loss.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import batch_norm, conv2d, cross_entropy, linear, max_pool2d

from sharpness.data.small import FashionMnist
from sharpness.studies.hammoud.procedures import LenetProcedure, StopRule
from sharpness.studies.hammoud.stacks import Box, Weights, gradient_step, loss_and_gradient, row

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


def normalized(pixels: NDArray[np.uint8], labels: NDArray[np.uint8]) -> LenetExamples:
    """Return examples, normalized with the training set's mean and deviation."""
    values = torch.from_numpy(pixels).to(torch.float32)[..., None]  # (n, 28, 28, 1)
    values.div_(255).sub_(MEAN).div_(DEVIATION)
    return LenetExamples(values.permute(0, 3, 1, 2), torch.from_numpy(labels).to(torch.int64))


def lenet_epoch(
    examples: LenetExamples, size: int, generator: torch.Generator
) -> Iterator[LenetExamples]:
    """Yield all examples once in a new order, in batches of ``size``; the last may be smaller."""
    for index in torch.randperm(len(examples), generator=generator).split(size):
        yield examples[index]


Statistics = dict[str, Tensor]
_LAYERS = {
    "conv1": (12, 1, 5, 5),
    "norm1": (12,),
    "conv2": (32, 12, 5, 5),
    "norm2": (32,),
    "fc1": (256, 512),
    "fc2": (128, 256),
    "fc3": (10, 128),
}
SHAPES: dict[str, tuple[int, ...]] = {
    name: shape
    for layer, weight in _LAYERS.items()
    for name, shape in ((f"{layer}.weight", weight), (f"{layer}.bias", weight[:1]))
}
"""Shapes of the parameters, in the order of the layers."""

KEEP = 0.5
"""Probability with which dropout keeps a unit."""


def lenet_initial(kind: str, generator: torch.Generator) -> Weights:
    """Draw initial weights; BatchNorm's weights are 1, its biases 0.

    ``kind`` is "xavier" (uniform, other biases 0) or "torch" (uniform within 1/√fan_in, biases
    too).
    """
    weights = {}
    for name, shape in SHAPES.items():
        layer, role = name.split(".")
        if layer.startswith("norm"):
            weights[name] = torch.full(shape, 1.0 if role == "weight" else 0.0)
            continue
        outputs, *inputs = _LAYERS[layer]
        fan_in, fan_out = math.prod(inputs), outputs * math.prod(inputs[1:])
        xavier = math.sqrt(6 / (fan_in + fan_out)) if role == "weight" else 0.0
        bound = 1 / math.sqrt(fan_in) if kind == "torch" else xavier
        w = torch.empty(shape).uniform_(-bound, bound, generator=generator)
        weights[name] = w.to(memory_format=torch.channels_last) if len(shape) == 4 else w
    return weights


def fresh_statistics() -> Statistics:
    """Return BatchNorm's initial running statistics: means 0, variances 1."""
    return {
        f"{norm}.{statistic}": torch.full(_LAYERS[norm], value)
        for norm in ("norm1", "norm2")
        for statistic, value in (("mean", 0.0), ("variance", 1.0))
    }


def dropout(examples: int, generator: torch.Generator) -> Tensor:
    """Draw the dropout of both layers: 0 or 1/KEEP for each unit, (examples, 256 + 128)."""
    units = _LAYERS["fc1"][0] + _LAYERS["fc2"][0]
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
        mean, variance = (statistics[f"norm{layer}.{name}"] for name in ("mean", "variance"))
        scale, shift = (weights[f"norm{layer}.{name}"] for name in ("weight", "bias"))
        x = batch_norm(x, mean, variance, scale, shift, training=kept is not None)
        return max_pool2d(x, 2).relu()  # equals relu first, as both are monotone, but is faster

    def connected(x: Tensor, layer: int) -> Tensor:
        return linear(x, weights[f"fc{layer}.weight"], weights[f"fc{layer}.bias"])

    x = convolved(convolved(images, 1), 2).flatten(1)  # (n, 512)
    first = _LAYERS["fc1"][0]
    for layer, units in ((1, slice(first)), (2, slice(first, None))):
        x = connected(x, layer).relu()
        if kept is not None:
            x = x * kept[:, units]
    return connected(x, 3)


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
    parts = losses.split(batch or len(losses))
    return float(torch.stack([part.mean() for part in parts]).mean())


@dataclass(frozen=True)
class TrainedLenet:
    """A trained network with BatchNorm's running statistics.

    ``losses`` are per epoch, the mean of its batches' losses, each taken before its step.
    """

    weights: Weights
    statistics: Statistics
    losses: list[float]


def train_lenet(
    examples: LenetExamples, procedure: LenetProcedure, generator: torch.Generator
) -> TrainedLenet:
    """Train a network; ``generator`` draws its initial weights, the orders and dropout."""
    weights = lenet_initial(procedure.initialisation, generator)
    statistics = fresh_statistics()
    rule = StopRule(threshold=procedure.threshold, most=procedure.epochs)
    rate, losses = procedure.learning_rate, list[float]()
    while not losses or not rule.stops(losses):
        dropped = None if losses and procedure.eval_after_first_epoch else generator
        met = []
        for batch in lenet_epoch(examples, procedure.batch, generator):
            loss, slope = loss_and_slope(weights, statistics, batch, dropped)
            decayed = {name: (1 - rate * procedure.weight_decay) * w for name, w in weights.items()}
            weights = gradient_step(decayed, slope, rate)
            met.append(loss)
        losses.append(sum(met) / len(met))
    return TrainedLenet(weights, statistics, losses)


def lenet_sharpness(
    trained: TrainedLenet,
    examples: LenetExamples,
    procedure: LenetProcedure,
    generator: torch.Generator,
) -> float:
    """Measure sharpness, the mean rise over the restarts; NaN where a loss was not finite.

    ``generator`` draws the batches, their order and dropout; ``trained`` does not change.
    """
    rises, rounds = [], range(procedure.rounds)
    for _ in range(procedure.restarts):
        steps: Iterable[Iterable[LenetExamples]]
        if procedure.whole_epochs:
            S, steps = examples, (lenet_epoch(examples, procedure.batch, generator) for _ in rounds)
        else:
            S = examples[torch.randint(len(examples), (procedure.batch,), generator=generator)]
            steps = repeat([S], procedure.rounds)
        rises.append(_rise(trained, steps, S, procedure, generator))
    return float(np.mean(rises))


def _rise(
    trained: TrainedLenet,
    rounds: Iterable[Iterable[LenetExamples]],
    looked_at: LenetExamples,
    procedure: LenetProcedure,
    generator: torch.Generator,
) -> float:
    """Return the greatest loss on ``looked_at`` after a round, minus that of the trained weights.

    A round is a sequence of batches, one per step. Train mode moves a copy of the statistics.
    """
    by_batch = procedure.batch if procedure.mean_of_batch_means else None
    dropped = generator if procedure.ascent_in_train_mode else None
    moved = {name: statistic.clone() for name, statistic in trained.statistics.items()}
    box = None if procedure.centre_after_first_step else Box.around(trained.weights, procedure.rho)

    def loss(w: Weights) -> float:
        return mean_loss(lenet_outputs(w, moved, looked_at), looked_at.labels, by_batch)

    start, at, found = loss(trained.weights), trained.weights, []
    for steps in rounds:
        for batch in steps:
            _, slope = loss_and_slope(at, moved, batch, dropped)
            at = gradient_step(at, slope, -procedure.learning_rate)
            box = box or Box.around(at, procedure.rho)
            at = box.project(at)
        found.append(loss(at))
    return float(np.max(found)) - start


def train_and_measure_lenet(
    data: FashionMnist, procedure: LenetProcedure, base: int, models: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """Train and measure models one after the other, and yield `stacks.row` of each.

    All randomness of a model comes from (base, model), whichever other models are trained. The bits
    depend on the number of torch threads.
    """
    training = normalized(data.train_images, data.train_labels)
    test = normalized(data.test_images, data.test_labels)
    by_batch = procedure.batch if procedure.mean_of_batch_means else None
    for done, model in enumerate(models, 1):
        # The numbers of the streams, 0 to 2, are part of every result.
        keys = (np.random.SeedSequence(base, spawn_key=(model, stream)) for stream in range(3))
        seeds = (int(key.generate_state(1)[0]) for key in keys)
        drawn, *measured = (torch.Generator().manual_seed(seed) for seed in seeds)
        trained = train_lenet(training, procedure, drawn)
        curve = ", ".join(f"{loss:.4f}" for loss in trained.losses)
        said = f"LeNet-5, base {base}, model {model} ({done} of {len(models)}): loss {curve}"
        print(said, file=sys.stderr, flush=True)
        first, again = (lenet_sharpness(trained, training, procedure, g) for g in measured)
        sets = [
            (lenet_outputs(trained.weights, trained.statistics, e), e) for e in (training, test)
        ]
        means = (mean_loss(found, e.labels, by_batch) for found, e in sets)
        accuracy = float((sets[1][0].argmax(dim=1) == test.labels).double().mean())
        yield row(base, model, len(trained.losses), *means, accuracy, first, again)
