"""SGD and SAM at batch size 1 for three ReLU layers, the first of them with a bias.

With h = W1 x + b1, a = relu(h), A = relu(W2 a), f = W3·A, s = ℓ'(f), and of the active units
D = W3 ⊙ 1[A > 0] and δ = (W2ᵀ D) ⊙ 1[h > 0],

    ∂L/∂W3 = s A,    ∂L/∂W2 = s D aᵀ,    ∂L/∂b1 = s δ,    ∂L/∂W1 = s δ xᵀ,
    ‖∇L‖² = s² (‖A‖² + ‖D‖² ‖a‖² + q ‖δ‖²)    with q = ‖x‖² + 1.

At θ + ρ∇L/‖∇L‖ the three layers are W3 + c A, W2 + c D aᵀ and h + c q δ, with c = ρ sign(s) over
the root of that sum: SAM's ascent writes to neither W1 nor W2.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from numba import njit

from sharpness.studies.wen.descent import EpochSchedule, descend, gradient
from sharpness.studies.wen.networks import Weights


def advance(architecture: str, weights: Weights, visits: EpochSchedule) -> None:
    """Train ``weights`` in place, as `training.advance` documents."""
    if visits.phase.batch != 1:
        descend(partial(gradient, architecture, visits.loss), weights, visits)
        return
    # Transposed, so that a row holds the outgoing weights of one input or one hidden unit.
    W1, W2 = (np.ascontiguousarray(weights[name].T) for name in ("W1", "W2"))
    _visit(
        W1,
        weights["b1"],
        W2,
        weights["W3"],
        visits.X,
        visits.goals,
        visits.orders,
        *visits.rates,
        visits.logistic,
    )
    weights["W1"][:], weights["W2"][:] = W1.T, W2.T


@njit(cache=True, error_model="numpy")
def _visit(  # type: ignore[no-untyped-def]
    W1, b1, W2, W3, X, goals, orders, rate, rho, shrink, logistic
):
    """Take a step for each entry of ``orders``; ``goals`` are in the order of visits."""
    m = W3.size
    number = W3.dtype.type
    h, V = np.empty_like(W3), np.empty_like(W3)  # of the perturbed network with SAM
    a, delta = np.empty_like(W3), np.empty_like(W3)
    A, D = np.empty_like(W3), np.empty_like(W3)
    a0, D0 = np.zeros_like(W3), np.zeros_like(W3)  # of the network itself
    for epoch in range(orders.shape[0]):
        for visit in range(orders.shape[1]):
            x, goal = X[orders[epoch, visit]], goals[epoch, visit]
            np.dot(x, W1, h)
            for j in range(m):
                h[j] += b1[j]
                V[j] = W3[j]
            c = number(0)
            if rho > 0:
                _pass(h, W2, V, c, a0, D0, a, A, D, delta)
                q = np.dot(x, x) + number(1)
                square = np.dot(A, A) + np.dot(D, D) * np.dot(a, a) + q * np.dot(delta, delta)
                sign = np.sign(_slope(np.dot(V, A), goal, logistic))
                c = number(rho * sign / math.sqrt(square) if square > 0 else 0.0)
                climb = number(c * q)
                for j in range(m):
                    V[j] += c * A[j]
                    h[j] += climb * delta[j]
                    a0[j], D0[j] = a[j], D[j]
            _pass(h, W2, V, c, a0, D0, a, A, D, delta)
            step = number(rate * _slope(np.dot(V, A), goal, logistic))
            for j in range(m):
                W3[j] = shrink * W3[j] - step * A[j]
                delta[j] *= step
                b1[j] = shrink * b1[j] - delta[j]
            _descend(W2, a, D, step, shrink)
            _descend(W1, x, delta, number(1), shrink)


@njit(cache=True, error_model="numpy")
def _pass(h, W2, W3, c, a0, D0, a, A, D, delta):  # type: ignore[no-untyped-def]
    """Set a, A, D and δ of a network with first layer h and second layer W2 + c D0 a0ᵀ."""
    m = h.size
    zero = h.dtype.type(0)
    A[:] = zero
    for k in range(m):
        a[k] = h[k] if h[k] > zero else zero
        if h[k] > zero:
            row, ak = W2[k], a[k]
            for j in range(m):
                A[j] += ak * row[j]
    climb = c * np.dot(a0, a)
    for j in range(m):
        A[j] += climb * D0[j]
        on = A[j] > zero
        A[j] = A[j] if on else zero
        D[j] = W3[j] if on else zero
    climb = c * np.dot(D0, D)
    for k in range(m):
        delta[k] = np.dot(W2[k], D) + climb * a0[k] if h[k] > zero else zero


@njit(cache=True, error_model="numpy")
def _descend(W, x, back, step, shrink):  # type: ignore[no-untyped-def]
    """Set W ← shrink W − step x backᵀ; skip rows with x = 0 if nothing shrinks."""
    for k in range(x.size):
        scale = step * x[k]
        if scale != 0 or shrink != 1:
            row = W[k]
            for j in range(back.size):
                row[j] = shrink * row[j] - scale * back[j]


@njit(cache=True, error_model="numpy")
def _slope(f, goal, logistic):  # type: ignore[no-untyped-def]
    """Return `Loss.slope`."""
    return 1 / (1 + math.exp(-f)) - goal if logistic else 2 * (f - goal)
