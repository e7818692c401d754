"""Training one network: plain SGD until the training loss hardly changes (Sec. III)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sharpness.simple.small_networks.ascent import Weights, descended
from sharpness.simple.small_networks.lenet.images import Examples, epoch
from sharpness.simple.small_networks.lenet.losses import loss_and_slope
from sharpness.simple.small_networks.lenet.network import Statistics, fresh_statistics, initial
from sharpness.simple.small_networks.lenet.procedure import Procedure
from sharpness.simple.small_networks.stopping import StopRule


@dataclass(frozen=True)
class Trained:
    """A trained network.

    Attributes:
        weights: after the last epoch.
        statistics: BatchNorm's running statistics.
        losses: of the epochs: each the mean over its batches, as they were met.
    """

    weights: Weights
    statistics: Statistics
    losses: list[float]


def train(examples: Examples, procedure: Procedure, generator: torch.Generator) -> Trained:
    """Train a network.

    Args:
        examples: to train on.
        procedure: how.
        generator: of the initial weights, the orders and dropout.
    """
    weights = initial(procedure.initialisation, generator)
    statistics = fresh_statistics()
    rule = StopRule(threshold=procedure.threshold, most=procedure.epochs)
    rate, losses = procedure.learning_rate, list[float]()
    while not losses or not rule.stops(losses):
        train_mode = not (losses and procedure.eval_after_first_epoch)
        met = []
        for batch in epoch(examples, procedure.batch, generator):
            loss, slope = loss_and_slope(
                weights, statistics, batch, dropped=generator if train_mode else None
            )
            decayed = {name: (1 - rate * procedure.weight_decay) * w for name, w in weights.items()}
            weights = descended(decayed, slope, rate)
            met.append(loss)
        losses.append(sum(met) / len(met))
    return Trained(weights, statistics, losses)
