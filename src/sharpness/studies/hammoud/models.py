"""Random streams and table rows of the models of all three networks.

All randomness of model k with seed base b comes from (b, k) and the purpose of the stream.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """Purposes of random streams; the numbers are part of every result and never change."""

    WEIGHTS = 0
    ORDER = 1
    DROPOUT = 2
    MEASURE = 3
    AGAIN = 4


def generator(base: int, model: int, purpose: Purpose) -> np.random.Generator:
    """Return a model's random stream, which does not depend on the models trained beside it."""
    return np.random.default_rng([base, model, int(purpose)])


def streams(base: int, models: Iterable[int], purpose: Purpose) -> list[np.random.Generator]:
    """Return one random stream for each model."""
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

Losses and accuracy are of the final weights, in eval mode, means over all examples; the accuracy is
empty for a regression. ``sharpness_again`` is a second measurement of the same weights with other
random draws; empty where nothing is drawn.
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
    """Return a row of ``COLUMNS`` without network and procedure.

    Numbers are written by ``repr``, so that they read back exactly; None as an empty string, and a
    number that is not finite, since the training diverged, as ``nan``.
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
