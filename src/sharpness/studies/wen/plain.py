"""Gradients, and SGD and SAM at batch size 1, for networks without normalization.

These are two layers (ReLU without and with bias, and Softplus) and three ReLU layers, the first of
them with a bias.

With two layers, the gradient of one example's loss has rank one, so SAM's ascent needs no second
pass over W1. With h = W1 x + b1, a = φ(h), p = φ'(h), s = ℓ'(f) and q = ‖x‖² + 1 (‖x‖² without
bias),

    ∂L/∂W2 = s a,    ∂L/∂b1 = s u,    ∂L/∂W1 = s u xᵀ    with u = W2 ⊙ p,
    ‖∇L‖² = s² (‖a‖² + q ‖u‖²),

and at θ + ρ∇L/‖∇L‖, with c = ρ sign(s) / √(‖a‖² + q ‖u‖²), the layers are W2 + c a and h + c q u.

With three layers, A = relu(W2 a), f = W3·A, and of the active units D = W3 ⊙ 1[A > 0] and
δ = (W2ᵀ D) ⊙ 1[h > 0],

    ∂L/∂W3 = s A,    ∂L/∂W2 = s D aᵀ,    ∂L/∂b1 = s δ,    ∂L/∂W1 = s δ xᵀ,
    ‖∇L‖² = s² (‖A‖² + ‖D‖² ‖a‖² + q ‖δ‖²).

At θ + ρ∇L/‖∇L‖ the three layers are W3 + c A, W2 + c D aᵀ and h + c q δ, with c = ρ sign(s) over
the root of that sum: SAM's ascent writes to neither W1 nor W2.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from numba import njit

from sharpness.studies.wen.networks import (
    Array,
    EpochSchedule,
    Loss,
    Weights,
    activation,
    descend,
    hidden,
    slope,
)


def advance(architecture: str, weights: Weights, visits: EpochSchedule) -> None:
    """Train ``weights`` in place, as `training.advance` documents."""
    if visits.phase.batch != 1:
        descend(partial(gradient, architecture, visits.loss), weights, visits)
        return
    W1, W2, bias = weights["W1"], weights["W2"], "b1" in weights
    steps = visits.X, visits.goals, visits.orders, *visits.rates, visits.logistic
    # Transposed, so that a row holds the outgoing weights of one input or one hidden unit.
    rows = np.ascontiguousarray(W1.T)
    if architecture == "three-layer":
        inner = np.ascontiguousarray(W2.T)
        _visit_three(rows, weights["b1"], inner, weights["W3"], *steps)
        W2[:] = inner.T
    else:
        b1 = weights["b1"] if bias else np.zeros_like(W2)
        _visit(rows, b1, W2, *steps, bias, architecture == "softplus")
    W1[:] = rows.T


def gradient(architecture: str, loss: Loss, weights: Weights, x: Array, y: Array) -> Weights:
    """Return the gradient of a batch's mean loss, by the names of ``weights``.

    ``architecture`` is "no-bias", "bias", "softplus" or "three-layer"; x is (examples, d),
    y (examples,).
    """
    h = hidden(weights, x)
    a, p = activation(architecture, h), slope(architecture, h)
    back: Array
    g: Weights = {}
    if architecture == "three-layer":
        h = a @ weights["W2"].T
        s = loss.mean_slope(np.maximum(h, 0) @ weights["W3"], y)
        back = np.outer(s, weights["W3"]) * (h > 0)  # dL/dh of the second layer
        g = {"W2": back.T @ a, "W3": s @ np.maximum(h, 0)}
        back = back @ weights["W2"]
    else:
        s = loss.mean_slope(a @ weights["W2"], y)
        g["W2"] = s @ a
        back = np.outer(s, weights["W2"])
    back *= p  # dL/dh, (examples, m)
    g["W1"] = back.T @ x
    if "b1" in weights:
        g["b1"] = back.sum(axis=0)
    return g


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


@njit(cache=True, error_model="numpy")
def _visit_three(  # type: ignore[no-untyped-def]
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
