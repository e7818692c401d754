"""Gradient descent of many diagonal linear networks at once, compiled.

Networks are the last axis, so that the innermost loop runs over networks and each of them adds its
own numbers in one fixed order: what becomes of a network does not depend, to the last bit, on which
others are trained beside it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]


@njit(cache=True)
def _residuals(X: Floats, y: Floats, u: Floats, v: Floats, r: Floats, loss: Floats) -> None:
    """Set r = X (u ⊙ v) − y, (n, networks), and loss = ‖r‖₂² / n, (networks,)."""
    n, d = X.shape
    beta = u * v
    loss[:] = 0.0
    for i in range(n):
        row = r[i]
        row[:] = -y[i]
        for j in range(d):
            x, coordinate = X[i, j], beta[j]
            for k in range(row.size):
                row[k] += x * coordinate[k]
        for k in range(row.size):
            loss[k] += row[k] * row[k] / n


@njit(cache=True)
def _step(X: Floats, u: Floats, v: Floats, r: Floats, rate: Floats) -> None:
    """Move against ∇ᵤL = v ⊙ 2Xᵀr/n and ∇ᵥL = u ⊙ 2Xᵀr/n, in place."""
    n, d = X.shape
    slope = np.empty(rate.size)
    for j in range(d):
        slope[:] = 0.0
        for i in range(n):
            x, row = X[i, j], r[i]
            for k in range(rate.size):
                slope[k] += x * row[k]
        for k in range(rate.size):
            move = rate[k] * 2.0 / n * slope[k]
            old = u[j, k]
            u[j, k] -= move * v[j, k]
            v[j, k] -= move * old


@njit(cache=True)
def descend(
    X: Floats,
    y: Floats,
    u: Floats,
    v: Floats,
    rate: Floats,
    taken: npt.NDArray[np.int64],
    loss: Floats,
    steps: int,
    low: float,
    high: float,
) -> None:
    """Take gradient steps on L = ‖X(u ⊙ v) − y‖₂²/n, in place, each network until it is done.

    Args:
        X: (n, d).
        y: (n,).
        u: (d, networks), and so is v; updated.
        v: see u.
        rate: learning rates, (networks,); zero once a network is done.
        taken: steps that each network has taken, (networks,); updated.
        loss: L before the last step, or at the end of a network that is done, (networks,); set.
        steps: to take at most.
        low: a network is done when L ≤ low.
        high: a network is done when L ≥ high or L is NaN.
    """
    r = np.empty((y.size, rate.size))
    for _ in range(steps):
        _residuals(X, y, u, v, r, loss)
        for k in range(rate.size):
            if low < loss[k] < high:
                taken[k] += rate[k] > 0
            else:
                rate[k] = 0.0
        _step(X, u, v, r, rate)
