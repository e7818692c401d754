"""Unit noise that depends on (seed, batch, draw) alone, so that it is common to all cells."""

from __future__ import annotations

import numpy as np
import torch


def generator(device: torch.device, *key: int) -> torch.Generator:
    """A generator whose stream is a function of ``key``, all non-negative integers.

    Streams of different devices differ: a CPU and a GPU draw different, equally good noise.
    """
    (state,) = np.random.SeedSequence(key).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(state) % 2**63)
