"""Random streams: everything random of model k of base b comes from (b, k) and what it is for."""

from __future__ import annotations

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
