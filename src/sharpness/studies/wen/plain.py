"""SGD and SAM at batch size 1 for two layers: ReLU without and with bias, and Softplus.

The gradient of one example's loss has rank one, so SAM's ascent needs no second pass over W1. With
h = W1 x + b1, a = φ(h), p = φ'(h), s = ℓ'(f) and q = ‖x‖² + 1 (‖x‖² without bias),

    ∂L/∂W2 = s a,    ∂L/∂b1 = s u,    ∂L/∂W1 = s u xᵀ    with u = W2 ⊙ p,
    ‖∇L‖² = s² (‖a‖² + q ‖u‖²),

and at θ + ρ∇L/‖∇L‖, with c = ρ sign(s) / √(‖a‖² + q ‖u‖²), the layers are W2 + c a and h + c q u.
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
    bias = architecture != "no-bias"
    W1 = np.ascontiguousarray(weights["W1"].T)  # (d, m): rows as long as the layer is wide
    _visit(
        W1,
        weights["b1"] if bias else np.zeros_like(weights["W2"]),
        weights["W2"],
        visits.X,
        visits.goals,
        visits.orders,
        *visits.rates,
        visits.logistic,
        bias,
        architecture == "softplus",
    )
    weights["W1"][:] = W1.T


# numba's default, divisions that raise on zero, would prevent vectorised loops.
@njit(cache=True, error_model="numpy")
def _visit(  # type: ignore[no-untyped-def]
    W1, b1, W2, X, goals, orders, rate, rho, shrink, logistic, bias, soft
):
    """Take a step for each entry of ``orders``; W1 is (d, m), ``goals`` in the order of visits."""
    d, m = W1.shape
    h, a, p, u, V = (np.empty_like(W2), np.empty_like(W2), np.empty_like(W2), W2.copy(), W2.copy())
    number = W2.dtype.type
    for epoch in range(orders.shape[0]):
        for visit in range(orders.shape[1]):
            x, goal = X[orders[epoch, visit]], goals[epoch, visit]
            np.dot(x, W1, h)
            for j in range(m):
                h[j] += b1[j]
                V[j] = W2[j]
            if rho > 0:
                _activate(h, a, p, soft)
                for j in range(m):
                    u[j] = W2[j] * p[j]
                q = np.dot(x, x) + number(bias)
                norm = math.sqrt(np.dot(a, a) + q * np.dot(u, u))
                c = rho * np.sign(_slope(np.dot(W2, a), goal, logistic)) / norm if norm > 0 else 0.0
                climb, climb_h = number(c), number(c * q)
                for j in range(m):
                    V[j] += climb * a[j]
                    h[j] += climb_h * u[j]
            _activate(h, a, p, soft)
            step = number(rate * _slope(np.dot(V, a), goal, logistic))
            for j in range(m):
                W2[j] = shrink * W2[j] - step * a[j]
                u[j] = step * V[j] * p[j]
            if bias:
                for j in range(m):
                    b1[j] = shrink * b1[j] - u[j]
            for k in range(d):
                row, xk = W1[k], x[k]
                for j in range(m):
                    row[j] = shrink * row[j] - xk * u[j]


@njit(cache=True, error_model="numpy")
def _slope(f, goal, logistic):  # type: ignore[no-untyped-def]
    """Return `Loss.slope`."""
    return 1 / (1 + math.exp(-f)) - goal if logistic else 2 * (f - goal)


@njit(cache=True, error_model="numpy")
def _activate(h, a, p, soft):  # type: ignore[no-untyped-def]
    """Set a = φ(h) and p = φ'(h).

    Softplus is max(h, 0) + ln(1 + e) with e = exp(−|h|), here by series, which vectorise: e as the
    16th power of exp(−|h|/16), and ln(1 + e) = 2 artanh(e/(2 + e)). Its error is below 2e-8.
    """
    number = h.dtype.type
    zero, one, two = number(0), number(1), number(2)
    if not soft:
        for j in range(h.size):
            on = h[j] > zero
            p[j] = one if on else zero
            a[j] = h[j] if on else zero
        return
    scale, most = number(-1 / 16), number(30)
    e2, e3, e4, e5 = number(1 / 2), number(1 / 6), number(1 / 24), number(1 / 120)
    e6, e7 = number(1 / 720), number(1 / 5040)
    l3, l5, l7, l9 = number(1 / 3), number(1 / 5), number(1 / 7), number(1 / 9)
    l11, l13 = number(1 / 11), number(1 / 13)
    for j in range(h.size):
        r = min(abs(h[j]), most) * scale
        e = one + r * (one + r * (e2 + r * (e3 + r * (e4 + r * (e5 + r * (e6 + r * e7))))))
        for _ in range(4):
            e *= e
        z = e / (two + e)
        w = z * z
        tail = w * (l3 + w * (l5 + w * (l7 + w * (l9 + w * (l11 + w * l13)))))
        p[j] = (one if h[j] > zero else e) / (one + e)
        a[j] = max(h[j], zero) + two * z * (one + tail)
