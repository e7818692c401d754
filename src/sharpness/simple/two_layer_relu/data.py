"""The two tasks of Wen, Ma and Li (2023): the parity of two signs, and a function on a ball."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """Examples to learn from and fresh ones of the same distribution.

    Attributes:
        name: "parity" or "ball".
        inputs: training inputs x, (n, d).
        targets: training targets y, (n,).
        test_inputs: fresh inputs, (t, d).
        test_targets: their targets, (t,).
    """

    name: str
    inputs: Floats
    targets: Floats
    test_inputs: Floats
    test_targets: Floats


def parity(seed: int, d: int = 30, n: int = 100, test: int = 4000) -> Task:
    """P_xor: x uniform on {−1, 1}^d and y = x[0] x[1].

    Args:
        seed: of the examples.
        d: dimension, at least 2.
        n: training examples.
        test: test examples; the paper does not give their number.
    """

    def draw(rng: np.random.Generator, examples: int) -> Floats:
        return rng.choice([-1.0, 1.0], size=(examples, d))

    return _task("parity", draw, lambda x: x[:, 0] * x[:, 1], seed, n, test)


def ball(seed: int, d: int = 10, n: int = 100, test: int = 4000) -> Task:
    """Inputs x uniform in the ball of radius √d, and y = |x[0]| − |x[1]| (Fig. 7).

    Args:
        seed: of the examples.
        d: dimension, at least 2.
        n: training examples.
        test: test examples.
    """

    def draw(rng: np.random.Generator, examples: int) -> Floats:
        x = rng.standard_normal((examples, d))
        radii = np.sqrt(d) * rng.random((examples, 1)) ** (1 / d)
        return radii * x / np.linalg.norm(x, axis=1, keepdims=True)

    return _task("ball", draw, lambda x: np.abs(x[:, 0]) - np.abs(x[:, 1]), seed, n, test)


TASKS = {"parity": parity, "ball": ball}
"""The tasks by name."""


def _task(
    name: str,
    draw: Callable[[np.random.Generator, int], Floats],
    answer: Callable[[Floats], Floats],
    seed: int,
    n: int,
    test: int,
) -> Task:
    """Training examples from one stream and test examples from another."""
    x, fresh = (
        draw(np.random.default_rng([seed, part]), examples)
        for part, examples in enumerate((n, test))
    )
    return Task(name, x, answer(x), fresh, answer(fresh))
