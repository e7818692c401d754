"""Adaptive worst-case sharpness by projected gradient ascent, as in Sec. II.B or in the notebook.

Both are runs of some rounds of steps from the trained weights, with the loss looked at after every
round: the greatest less that of the trained weights is the run's rise. They differ in what a round
is and in which loss is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat

import numpy as np
import torch

from sharpness.simple.small_networks.ascent import Box, Weights, descended
from sharpness.simple.small_networks.lenet.images import Examples, epoch
from sharpness.simple.small_networks.lenet.losses import loss_and_slope, mean_loss, outputs
from sharpness.simple.small_networks.lenet.network import Statistics
from sharpness.simple.small_networks.lenet.procedure import Procedure


def sharpness(
    weights: Weights,
    statistics: Statistics,
    examples: Examples,
    procedure: Procedure,
    generator: torch.Generator,
) -> float:
    """The mean rise over the restarts; NaN where a loss was not finite.

    Args:
        weights: the trained w.
        statistics: BatchNorm's running statistics; they stay as they are.
        examples: the training examples.
        procedure: how.
        generator: of the batches, their order and dropout.
    """
    rises = []
    for _ in range(procedure.restarts):
        if procedure.whole_epochs:
            rounds = (epoch(examples, procedure.batch, generator) for _ in range(procedure.rounds))
            rises.append(_rise(weights, statistics, rounds, examples, procedure, generator))
        else:
            S = examples[torch.randint(len(examples), (procedure.batch,), generator=generator)]
            steps = repeat([S], procedure.rounds)
            rises.append(_rise(weights, statistics, steps, S, procedure, generator))
    return float(np.mean(rises))


def _rise(
    weights: Weights,
    statistics: Statistics,
    rounds: Iterable[Iterable[Examples]],
    looked_at: Examples,
    procedure: Procedure,
    generator: torch.Generator,
) -> float:
    """The greatest loss after a round, less that of the trained weights.

    Args:
        weights: the trained w.
        statistics: of w; a copy is moved, if any.
        rounds: of steps, a batch each.
        looked_at: whose loss is compared.
        procedure: how.
        generator: of dropout.
    """
    by_batch = procedure.batch if procedure.mean_of_batch_means else None
    dropped = generator if procedure.ascent_in_train_mode else None
    moved = {name: statistic.clone() for name, statistic in statistics.items()}
    box = None if procedure.centre_after_first_step else Box.around(weights, procedure.rho)

    def loss(w: Weights) -> float:
        return mean_loss(outputs(w, moved, looked_at), looked_at.labels, by_batch)

    start, at, found = loss(weights), weights, []
    for steps in rounds:
        for batch in steps:
            _, slope = loss_and_slope(at, moved, batch, dropped)
            at = descended(at, slope, -procedure.learning_rate)
            box = box or Box.around(at, procedure.rho)
            at = box.project(at)
        found.append(loss(at))
    return float(np.max(found)) - start
