"""Random streams named by what they are for, so that nothing random has to be saved.

Each (pool seed, model, purpose, epoch) has a stream of its own. A training that resumes at some
epoch, and a pool that grows, see the same numbers as before.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream is for; the numbers are part of every result and never change."""

    HYPERPARAMETERS = 0
    WEIGHTS = 1
    ORDER = 2
    MIXUP = 3
    AUGMENTATION = 4


def generator(seed: int, index: int, purpose: Purpose, epoch: int = 0) -> np.random.Generator:
    """The NumPy generator of a stream."""
    return np.random.Generator(np.random.PCG64(_sequence(seed, index, purpose, epoch)))


def torch_seed(seed: int, index: int, purpose: Purpose, epoch: int = 0) -> int:
    """The seed of a stream's ``torch.Generator``, on whatever device that lies."""
    return int(_sequence(seed, index, purpose, epoch).generate_state(1)[0])


def _sequence(seed: int, index: int, purpose: Purpose, epoch: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(index, int(purpose), epoch))
