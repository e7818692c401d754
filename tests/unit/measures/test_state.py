"""State that a forward pass changes is put back, wherever a model keeps it."""

from __future__ import annotations

from array import array
from collections import UserDict, UserList
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from refusal import refused
from torch import Tensor, nn

from sharpness import Definition, sharpness

AVERAGE = Definition("average", "l2", adaptive=False, logit_norm=False)
X, Y = torch.randn(6, 5, generator=torch.Generator().manual_seed(0)), torch.arange(6) % 3


class Slotted:
    __slots__ = ("count", "unset")

    def __init__(self) -> None:
        self.count = 0.0


class Counting(nn.Module):
    """Its outputs depend on what its passes have written to ``state``."""

    def __init__(self, state: Any, step: Callable[[Any], Any], read: Callable[[Any], Any]) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.head = nn.Linear(5, 3)
        if isinstance(state, Tensor):
            self.register_buffer("state", state)
        else:
            self.state = state
        self.step, self.read = step, read

    def forward(self, x: Tensor) -> Tensor:
        self.step(self)
        return self.head(x) * (1 + float(self.read(self)))


def bump_first(model: Any) -> None:
    model.state[0] += 1


def bump_buffer(model: Any) -> None:
    model.state.as_strided((1,), (1,)).add_(1)


def bump_attribute(model: Any) -> None:
    model.head.weight.count = getattr(model.head.weight, "count", 0) + 1


def bump_slot(model: Any) -> None:
    model.state.count += 1
    model.state.unset = 1


NAN = torch.tensor([0.0, torch.nan])
STATES: dict[str, tuple[Any, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "a buffer with NaN": (NAN, bump_first, lambda m: m.state[0]),
    "an expanded buffer": (torch.zeros(1).expand(4), bump_buffer, lambda m: m.state[3]),
    "an unfolded buffer": (torch.zeros(9).unfold(0, 4, 2), bump_buffer, lambda m: m.state[0, 0]),
    "an empty buffer": (
        torch.zeros(0),
        lambda m: m.state.resize_(len(m.state) + 1),
        lambda m: len(m.state),
    ),
    "a transposed buffer": (
        torch.arange(4.0).view(2, 2),
        lambda m: m.state.t_(),
        lambda m: m.state[0, 1],
    ),
    "slots": (Slotted(), bump_slot, lambda m: m.state.count),
    "UserDict": (UserDict({0: 0}), bump_first, lambda m: m.state[0]),
    "UserList": (UserList([0]), bump_first, lambda m: m.state[0]),
    "bytearray": (bytearray(1), bump_first, lambda m: m.state[0]),
    "array": (array("d", [0]), bump_first, lambda m: m.state[0]),
    "a scalar of NumPy": (np.zeros(()), lambda m: m.state.__iadd__(1), lambda m: m.state),
    "an attribute of a parameter": (None, bump_attribute, lambda m: m.head.weight.count),
}


@pytest.mark.parametrize("kind", STATES)
def test_every_pass_starts_from_the_state_of_the_model(kind: str) -> None:
    state, step, read = STATES[kind]
    model, plain = Counting(state, step, read), Counting(None, lambda m: None, lambda m: 0)
    model.head.weight.count = 0  # type: ignore[attr-defined]
    before = float(read(model))
    plain.read = lambda m: 1 if kind != "a transposed buffer" else 2
    expected = sharpness(plain, [(X, Y)], AVERAGE, 0.1, samples=3)
    assert sharpness(model, [(X, Y)], AVERAGE, 0.1, samples=3) == expected
    assert float(read(model)) == before
    assert not hasattr(state, "unset")


@pytest.mark.parametrize("first", ["weight", "buffer"])
def test_a_buffer_in_the_memory_of_the_weights(first: str) -> None:
    """One vector holds the weights and, before or after them, a running sum."""
    memory = torch.zeros(16)
    weights, running = memory.split([15, 1]) if first == "weight" else memory.split([1, 15])[::-1]

    def bump(model: Any) -> None:
        model.state.add_(1)

    model, plain = (
        Counting(running, bump, lambda m: m.state),
        Counting(None, lambda m: None, lambda m: 1),
    )
    weights.view(3, 5).copy_(plain.head.weight.detach())
    model.head.weight.data = weights.view(3, 5)
    expected = sharpness(plain, [(X, Y)], AVERAGE, 0.1, samples=3)
    assert sharpness(model, [(X, Y)], AVERAGE, 0.1, samples=3) == expected
    assert float(running) == 0
    assert torch.equal(model.head.weight, plain.head.weight)


def test_what_cannot_be_restored_is_refused() -> None:
    def lock(model: Any) -> None:
        model.state[0] = 1
        model.state.flags.writeable = False

    with refused("cannot be restored", "read-only"):
        sharpness(Counting(np.zeros(1), lock, lambda m: 0), [(X, Y)], AVERAGE, 0.1, samples=3)


def test_a_tensor_that_wraps_others() -> None:
    """What it wraps is restored; as a parameter, it is refused."""
    from torch.testing._internal.two_tensor import TwoTensor

    def bump(model: Any) -> None:
        model.state.a.add_(1)

    wrapped = TwoTensor(torch.zeros(1), torch.zeros(1))
    model = Counting(None, bump, lambda m: m.state.a)
    model.state = wrapped
    plain = Counting(None, lambda m: None, lambda m: 1)
    expected = sharpness(plain, [(X, Y)], AVERAGE, 0.1, samples=3)
    assert sharpness(model, [(X, Y)], AVERAGE, 0.1, samples=3) == expected
    assert float(wrapped.a) == 0
    model.other = nn.Parameter(wrapped)
    with refused("parameter 'other' is a TwoTensor"):
        sharpness(model, [(X, Y)], AVERAGE, 0.1)
    only = sharpness(model, [(X, Y)], AVERAGE, 0.1, samples=3, parameters="head")
    assert only == expected
