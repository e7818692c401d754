"""What the models of all three networks share: their random streams, and their rows.

Everything random of model k of base b comes from (b, k) and what it is for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream is for; the numbers are part of every result and never change."""

    WEIGHTS = 0
    ORDER = 1
    DROPOUT = 2
    MEASURE = 3
    AGAIN = 4


def generator(base: int, model: int, purpose: Purpose) -> np.random.Generator:
    """The stream of a model, the same whichever models are trained beside it."""
    return np.random.default_rng([base, model, int(purpose)])


def streams(base: int, models: Iterable[int], purpose: Purpose) -> list[np.random.Generator]:
    """The stream of each of some models."""
    return [generator(base, model, purpose) for model in models]


COLUMNS = (
    "network",
    "procedure",
    "base",
    "model",
    "epochs",
    "train_loss",
    "test_loss",
    "test_accuracy",
    "sharpness",
    "sharpness_again",
)
"""The columns of a pool's table.

``train_loss``, ``test_loss`` and ``test_accuracy`` are of the final weights, in eval mode, over all
examples; the accuracy is empty for a regression. ``sharpness_again`` is a second measurement of
the same weights with other random draws; empty where nothing is drawn.
"""


def row(
    base: int,
    model: int,
    epochs: int,
    train_loss: float,
    test_loss: float,
    test_accuracy: float | None,
    sharpness: float,
    sharpness_again: float | None,
) -> dict[str, object]:
    """A row without its network and procedure.

    Numbers are written so that they read back as they were (``repr``); one that is not finite,
    since the training diverged, as ``nan``.

    Args:
        base: seed base of the pool.
        model: index of the model in its pool.
        epochs: epochs trained.
        train_loss: mean loss over the training examples.
        test_loss: mean loss over the test examples.
        test_accuracy: share of right test answers; None for a regression.
        sharpness: the measure.
        sharpness_again: the measure with other draws; None where nothing is drawn.
    """
    numbers = {
        "train_loss": train_loss,
        "test_loss": test_loss,
        "test_accuracy": test_accuracy,
        "sharpness": sharpness,
        "sharpness_again": sharpness_again,
    }
    return {
        "base": base,
        "model": model,
        "epochs": epochs,
        **{name: _written(number) for name, number in numbers.items()},
    }


def _written(number: float | None) -> str:
    if number is None:
        return ""
    return repr(float(number)) if math.isfinite(number) else "nan"
