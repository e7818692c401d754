"""Training, testing and measuring of the LeNets-5, one after the other.

The measure is adaptive worst-case sharpness by projected gradient ascent, as in Sec. II.B or in the
notebook. Both compare a loss after every round of steps from the trained weights: the greatest
minus that of the trained weights is the run's rise. They differ in the definition of a round and in
the loss.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import repeat

import numpy as np
import torch

from sharpness.data.small import FashionMnist
from sharpness.studies.hammoud import lenet
from sharpness.studies.hammoud.ascent import Box, Weights, gradient_step
from sharpness.studies.hammoud.lenet import (
    LenetExamples,
    Statistics,
    fresh_statistics,
    lenet_epoch,
    lenet_initial,
    lenet_outputs,
    loss_and_slope,
    mean_loss,
)
from sharpness.studies.hammoud.models import row
from sharpness.studies.hammoud.procedures import LenetProcedure, StopRule


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
        train_mode = not (losses and procedure.eval_after_first_epoch)
        met = []
        for batch in lenet_epoch(examples, procedure.batch, generator):
            loss, slope = loss_and_slope(
                weights, statistics, batch, dropped=generator if train_mode else None
            )
            decayed = {name: (1 - rate * procedure.weight_decay) * w for name, w in weights.items()}
            weights = gradient_step(decayed, slope, rate)
            met.append(loss)
        losses.append(sum(met) / len(met))
    return TrainedLenet(weights, statistics, losses)


def lenet_sharpness(
    weights: Weights,
    statistics: Statistics,
    examples: LenetExamples,
    procedure: LenetProcedure,
    generator: torch.Generator,
) -> float:
    """Measure sharpness, the mean rise over the restarts; NaN where a loss was not finite.

    ``generator`` draws the batches, their order and dropout; ``statistics`` do not change.
    """
    rises = []
    for _ in range(procedure.restarts):
        if procedure.whole_epochs:
            rounds = (
                lenet_epoch(examples, procedure.batch, generator) for _ in range(procedure.rounds)
            )
            rises.append(_rise(weights, statistics, rounds, examples, procedure, generator))
        else:
            S = examples[torch.randint(len(examples), (procedure.batch,), generator=generator)]
            steps = repeat([S], procedure.rounds)
            rises.append(_rise(weights, statistics, steps, S, procedure, generator))
    return float(np.mean(rises))


def _rise(
    weights: Weights,
    statistics: Statistics,
    rounds: Iterable[Iterable[LenetExamples]],
    looked_at: LenetExamples,
    procedure: LenetProcedure,
    generator: torch.Generator,
) -> float:
    """Return the greatest loss on ``looked_at`` after a round, minus that of the trained weights.

    A round is a sequence of batches, one per step. Train mode moves a copy of ``statistics``.
    """
    by_batch = procedure.batch if procedure.mean_of_batch_means else None
    dropped = generator if procedure.ascent_in_train_mode else None
    moved = {name: statistic.clone() for name, statistic in statistics.items()}
    box = None if procedure.centre_after_first_step else Box.around(weights, procedure.rho)

    def loss(w: Weights) -> float:
        return mean_loss(lenet_outputs(w, moved, looked_at), looked_at.labels, by_batch)

    start, at, found = loss(weights), weights, []
    for steps in rounds:
        for batch in steps:
            _, slope = loss_and_slope(at, moved, batch, dropped)
            at = gradient_step(at, slope, -procedure.learning_rate)
            box = box or Box.around(at, procedure.rho)
            at = box.project(at)
        found.append(loss(at))
    return float(np.max(found)) - start


class _Purpose(IntEnum):
    """Purposes of random streams; the numbers are part of every result."""

    TRAINING = 0
    MEASUREMENT = 1
    REPETITION = 2


def train_and_measure_lenet(
    data: FashionMnist,
    procedure: LenetProcedure,
    base: int,
    models: Sequence[int],
) -> Iterator[dict[str, object]]:
    """Train and measure models one after the other, and yield `models.row` of each.

    All randomness of a model comes from (base, model), whichever other models are trained. The bits
    depend on the number of torch threads.
    """
    training, test = lenet.training(data), lenet.test(data)
    for done, model in enumerate(models, 1):
        trained = train_lenet(training, procedure, _generator(base, model, _Purpose.TRAINING))
        curve = ", ".join(f"{loss:.4f}" for loss in trained.losses)
        print(
            f"LeNet-5, base {base}, model {model} ({done} of {len(models)}): loss {curve}",
            file=sys.stderr,
            flush=True,
        )
        first, again = (
            lenet_sharpness(
                trained.weights,
                trained.statistics,
                training,
                procedure,
                _generator(base, model, purpose),
            )
            for purpose in (_Purpose.MEASUREMENT, _Purpose.REPETITION)
        )
        train_loss, _ = _loss_and_accuracy(trained, training, procedure)
        test_loss, accuracy = _loss_and_accuracy(trained, test, procedure)
        yield row(base, model, len(trained.losses), train_loss, test_loss, accuracy, first, again)


def _generator(base: int, model: int, purpose: _Purpose) -> torch.Generator:
    seed = np.random.SeedSequence(base, spawn_key=(model, int(purpose))).generate_state(1)[0]
    return torch.Generator().manual_seed(int(seed))


def _loss_and_accuracy(
    trained: TrainedLenet, examples: LenetExamples, procedure: LenetProcedure
) -> tuple[float, float]:
    found = lenet_outputs(trained.weights, trained.statistics, examples)
    by_batch = procedure.batch if procedure.mean_of_batch_means else None
    right = (found.argmax(dim=1) == examples.labels).double().mean()
    return mean_loss(found, examples.labels, by_batch), float(right)
