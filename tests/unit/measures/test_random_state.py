"""Forwards that draw random numbers: in a later batch, seldom, without effect, from their own."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import torch
from refusal import refused
from torch import Tensor, nn

from sharpness import Definition, UserError, sharpness
from sharpness.measures.hessian import rescaled_hessian, trace
from sharpness.measures.random_state import RandomState

AVERAGE, WORST = (
    Definition(c, "l2", adaptive=False, logit_norm=False) for c in ("average", "worst")
)
X = torch.randn(9, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
BATCHES = [(X[:4], torch.arange(4) % 3), (X[4:], torch.arange(5) % 3)]  # the later one is odd
DRAWS: dict[str, Callable[[Any], float]] = {
    "torch": lambda model: float(torch.rand(())),
    "numpy": lambda model: float(np.random.rand()),
    "python": lambda model: random.random(),
    "a generator of torch": lambda model: float(torch.rand((), generator=model.generator)),
    "a generator of numpy": lambda model: model.rng.random(),
    "a generator of python": lambda model: model.random.random(),
}


class Drawing(nn.Module):
    """Its outputs are scaled by what ``scale`` makes of the batch and a draw, a call."""

    def __init__(self, scale: Callable[[Tensor, Callable[[], float]], float], source: str) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.head = nn.Linear(5, 3).double()
        self.generator, self.rng = torch.Generator().manual_seed(0), np.random.default_rng(0)
        self.random, self.scale, self.source = random.Random(0), scale, source

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x) * self.scale(x, lambda: DRAWS[self.source](self))


def plain(x: Tensor, draw: Callable[[], float]) -> float:
    return 1.0


def noise_if_odd(x: Tensor, draw: Callable[[], float]) -> float:
    return 1 + draw() if len(x) % 2 else 1.0


def unused(x: Tensor, draw: Callable[[], float]) -> float:
    return 1 + 0 * draw()


def unused_if_odd(x: Tensor, draw: Callable[[], float]) -> float:
    return 1 + 0 * draw() if len(x) % 2 else 1.0


def noise_if_odd_and_unused_before(x: Tensor, draw: Callable[[], float]) -> float:
    return 1 + draw() * (len(x) % 2)


def value(model: nn.Module, definition: Definition = AVERAGE, **options: Any) -> float:
    return sharpness(model, BATCHES, definition, 0.1, samples=5, steps=3, **options).value


@pytest.mark.parametrize("source", DRAWS)
@pytest.mark.parametrize("scale", [noise_if_odd, noise_if_odd_and_unused_before])
def test_noise_in_a_later_batch_is_refused(source: str, scale: Any) -> None:
    for definition in AVERAGE, WORST:
        with refused("two forward passes"):
            value(Drawing(scale, source), definition)
    model = Drawing(scale, source)
    ones = torch.ones(18)
    with refused("two forward passes"), rescaled_hessian(model, BATCHES, ones) as operator:
        trace(operator)


@pytest.mark.parametrize("source", DRAWS)
@pytest.mark.parametrize("scale", [unused, unused_if_odd])
def test_draws_without_effect_are_no_obstacle_and_leave_no_trace(source: str, scale: Any) -> None:
    model = Drawing(scale, source)
    states = RandomState([model.generator, model.rng, model.random])
    before = states.read()
    for definition in AVERAGE, WORST:
        for micro_batch in (None, 2):
            assert value(model, definition, micro_batch=micro_batch) == value(
                Drawing(plain, source), definition, micro_batch=micro_batch
            )
    assert states.read() == before


@pytest.mark.parametrize("source", ["torch", "numpy", "a generator of python"])
def test_rare_noise_is_refused_or_without_effect(source: str) -> None:
    """A layer dropped in one of a hundred passes is the same in all passes that are compared."""

    def layer_drop(x: Tensor, draw: Callable[[], float]) -> float:
        return 0.0 if draw() < 0.01 else 1.0

    expected, found = value(Drawing(plain, source)), []
    for seed in range(20):
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        model = Drawing(layer_drop, source)
        model.generator.manual_seed(seed)
        model.random.seed(seed)
        model.rng = np.random.default_rng(seed)
        with suppress(UserError):
            found.append(value(model))
    assert 1 < len(found) < 20
    assert found == [expected] * len(found)


def test_a_forward_that_seeds_its_noise_is_a_function() -> None:
    def seeded(x: Tensor, draw: Callable[[], float]) -> float:
        torch.manual_seed(3)
        return draw()

    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = value(Drawing(seeded, "torch"), WORST)
    assert torch.equal(torch.get_rng_state(), before)
    assert value(Drawing(seeded, "torch"), WORST) == first > 0
