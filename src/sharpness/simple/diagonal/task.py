"""Sparse regression (Sec. 5.2): more coordinates than examples, most of them without effect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

STREAM = 0
"""First of the numbers that follow the seed; the draws of networks follow (``training``)."""


@dataclass(frozen=True)
class Task:
    """Examples of y = ⟨x, β*⟩ without noise, x standard Gaussian.

    Attributes:
        X: inputs, (n, d).
        y: targets, (n,).
        truth: β*, (d,).
    """

    X: Floats
    y: Floats
    truth: Floats

    def test_loss(self, beta: Floats) -> float:
        """E (⟨x, β⟩ − y)² over all inputs, which for standard Gaussian ones is ‖β − β*‖₂²."""
        return float(np.square(beta - self.truth).sum())


def sparse_regression(seed: int, n: int = 80, d: int = 200, nonzero: int = 20) -> Task:
    """The task of a seed.

    The paper states d and that 90 % of β* is zero; n, the Gaussian inputs and the standard normal
    coordinates are ours. X has the same distribution whatever the order of its columns, so that the
    coordinates that matter may as well be the first.

    Args:
        seed: of the inputs and of β*.
        n: examples.
        d: coordinates.
        nonzero: coordinates of β* that are not zero.
    """
    generator = np.random.default_rng([seed, STREAM])
    X = generator.standard_normal((n, d))
    truth = np.zeros(d)
    truth[:nonzero] = generator.standard_normal(nonzero)
    return Task(X, X @ truth, truth)
