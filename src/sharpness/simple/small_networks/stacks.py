"""Training a stack of models, each until its own stop rule fires."""

from __future__ import annotations

from collections.abc import Callable

from sharpness.simple.small_networks.ascent import Weights
from sharpness.simple.small_networks.stopping import StopRule

Epoch = Callable[[Weights, list[int]], tuple[Weights, list[float]]]
"""Of some models' weights and their numbers in the stack: the weights after, each model's loss."""


def train_stack(
    weights: Weights, models: int, rule: StopRule, epoch: Epoch
) -> tuple[Weights, list[int]]:
    """Train until each model's stop rule fires; a model that has stopped stays as it is.

    Args:
        weights: of all models, before.
        models: how many they are.
        rule: on a model's losses, one an epoch.
        epoch: trains those that have not stopped.

    Returns:
        The weights after, and the number of epochs of each model.
    """
    weights = {name: w.clone() for name, w in weights.items()}
    losses: list[list[float]] = [[] for _ in range(models)]
    active = list(range(models))
    while active:
        part, sums = epoch({name: w[active] for name, w in weights.items()}, active)
        for name, w in part.items():
            weights[name][active] = w
        for i, loss in zip(active, sums, strict=True):
            losses[i].append(loss)
        active = [i for i in active if not rule.stops(losses[i])]
    return weights, [len(history) for history in losses]
