"""States of the random generators from which a forward pass may draw."""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)


class RandomState:
    """The global generators of torch, NumPy and Python, and those that a model holds.

    ``frozen`` are the states from which every pass of a model that draws starts; None for others.
    """

    def __init__(self, held: Iterable[Any]) -> None:
        """Take the generators that a model holds."""
        self._held = [*held]
        self.frozen: Sequence[bytes] | None = None

    def read(self) -> list[bytes]:
        """Return the states, to be compared or written."""
        return [pickle.dumps(_state(generator)) for generator in self._all()]

    def write(self, states: Sequence[bytes]) -> None:
        """Set the states."""
        for generator, state in zip(self._all(), states, strict=False):  # CUDA may have started
            _set_state(generator, pickle.loads(state))

    @contextmanager
    def repeated(self) -> Iterator[None]:
        """Start from the frozen states, if there are any; leave all as they were."""
        if self.frozen is None:
            yield
            return
        before = self.read()
        self.write(self.frozen)
        try:
            yield
        finally:
            self.write(before)

    def _all(self) -> list[Any]:
        cuda = torch.cuda.default_generators if torch.cuda.is_initialized() else ()
        numpy, python = np.random.mtrand._rand, random._inst
        return [torch.default_generator, numpy, python, *self._held, *cuda]


def _state(generator: Any) -> Any:
    if isinstance(generator, torch.Generator):
        return generator.get_state().numpy()
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    return generator.get_state() if hasattr(generator, "get_state") else generator.getstate()


def _set_state(generator: Any, state: Any) -> None:
    if isinstance(generator, torch.Generator):
        generator.set_state(torch.from_numpy(state))
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    elif hasattr(generator, "set_state"):
        generator.set_state(state)
    else:
        generator.setstate(state)
