"""Simplified LayerNorm, f(x) = W2 · u with u = a/max(‖a‖, ε), a = relu(W1 x + b1).

Steps at batch size 1 use a gradient derived by hand. With x' = (x, 1) the weights of neuron j are
one vector (W1ⱼ, b1ⱼ), and the gradient of an example's loss by it is cⱼ x'; with u = a/‖a‖,

    cⱼ = ℓ' 1[hⱼ > 0] (W2ⱼ − f uⱼ)/‖a‖,    ∂ℓ/∂W2 = ℓ' u,    ‖∇ℓ‖² = ‖x'‖² ‖c‖² + ℓ'² ‖u‖².

So SAM's ascent adds ρ ‖x'‖² cⱼ/‖∇ℓ‖ to hⱼ, and a step passes over W1 twice: for h and to change it.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numba import njit

from sharpness.studies.wen.networks import (
    EPSILON,
    Array,
    EpochSchedule,
    Floats,
    Loss,
    Weights,
    descend,
    hidden,
)


def advance(architecture: str, weights: Weights, visits: EpochSchedule) -> None:
    """Train ``weights`` in place, as `training.advance` documents."""
    if visits.phase.batch != 1:
        descend(partial(gradient, loss=visits.loss), weights, visits)
        return
    number = visits.X.dtype.type
    W = np.ascontiguousarray(np.vstack([weights["W1"].T, weights["b1"]]))
    _train(
        W,
        weights["W2"],
        np.column_stack([visits.X, np.ones_like(visits.y)]),
        visits.goals,
        visits.orders,
        visits.logistic,
        *visits.rates,
        number(visits.phase.norm or 0),
        number(EPSILON),
    )
    weights["W1"][:], weights["b1"][:] = W[:-1].T, W[-1]


def gradient(weights: Weights, x: Array, y: Array, loss: Loss) -> Weights:
    """Return the gradient of a batch's mean loss, by the names of ``weights``.

    x is (examples, d), y (examples,).
    """
    f, u, first, _ = _derivatives(weights, x)
    slopes = loss.mean_slope(f, y)
    back = slopes[:, None] * first  # dL/dh, (examples, m)
    return {"W1": back.T @ x, "b1": back.sum(axis=0), "W2": slopes @ u}


def outputs(w: Weights, X: Floats) -> Floats:
    """Return f(x), (examples,), of weights in float64 for inputs X (examples, d)."""
    a = np.maximum(hidden(w, X), 0)
    return (a @ w["W2"]) / np.maximum(np.linalg.norm(a, axis=1), EPSILON)


def derivatives(w: Weights, sizes: Weights, x: Floats) -> tuple[Array, Array, Array]:
    """Return f, ‖∇f‖² and Tr ∇²f as `measures.derivatives` does; f is linear in W2."""
    f, u, first, second = _derivatives(w, x)
    # Σ over each neuron's weights of (∂h/∂w)² times their sizes, (n, m).
    reach = x**2 @ sizes["W1"].T + sizes["b1"]
    squares = u**2 @ sizes["W2"] + (first**2 * reach).sum(axis=1)
    return f, squares, (second * reach).sum(axis=1)


def _derivatives(weights: Weights, x: Array) -> tuple[Array, Array, Array, Array]:
    """Return f (examples,); u, ∂f/∂h and the diagonal of ∂²f/∂h², (examples, m).

    For an active neuron and ‖a‖ > ε they are (W2 − f u)/‖a‖ and (3 f u² − 2 W2 u − f)/‖a‖².
    """
    h = hidden(weights, x)
    a, W2 = np.maximum(h, 0), weights["W2"]
    norms = np.linalg.norm(a, axis=1, keepdims=True)
    curved = norms > EPSILON  # below ε the divisor is constant
    norms = np.maximum(norms, norms.dtype.type(EPSILON))
    u = a / norms
    f = u @ W2
    pull = curved * f[:, None]
    first = (h > 0) * (W2 - pull * u) / norms
    second = (h > 0) * curved * (pull * (3 * u**2 - 1) - 2 * W2 * u) / norms**2
    return f, u, first, second


# numba's default, divisions that raise on zero, would prevent vectorised loops.
@njit(cache=True, error_model="numpy")
def _train(  # type: ignore[no-untyped-def]
    W, W2, inputs, goals, orders, logistic, rate, rho, keep, norm, epsilon
):
    """Take one step for each entry of ``orders``, (epochs, n), in place.

    W is W1 and b1 as (d + 1, m), so that rows are as long as the layer is wide; W2 (m,).
    ``inputs`` are x' of all examples, (n, d + 1); ``goals`` are `Loss.goal` in the order of the
    visits; ``rho`` is 0 without SAM; ``keep`` is the factor of weight decay in a step, 1 − rate λ;
    ``norm`` is that of `Phase`, or 0; ``epsilon`` the ε of the normalisation.
    """
    h, u, c, V2 = np.empty_like(W2), np.empty_like(W2), np.empty_like(W2), np.empty_like(W2)
    for epoch in range(orders.shape[0]):
        for visit in range(orders.shape[1]):
            x, goal = inputs[orders[epoch, visit]], goals[epoch, visit]
            length = np.dot(x, x)
            np.dot(x, W, h)
            V2[:] = W2
            _step_gradient(h, V2, goal, logistic, epsilon, c, u)
            squares = length * np.dot(c, c) + np.dot(u, u)
            if rho > 0 and squares > 0:
                climb = rho / np.sqrt(squares)
                for j in range(h.size):
                    h[j] += climb * length * c[j]
                    V2[j] += climb * u[j]
                _step_gradient(h, V2, goal, logistic, epsilon, c, u)
            for j in range(h.size):
                W2[j] = keep * W2[j] - rate * u[j]
            for i in range(x.size):
                row, step = W[i], rate * x[i]
                for j in range(h.size):
                    row[j] = keep * row[j] - step * c[j]
            if norm > 0:
                _rescale(W, norm)


@njit(cache=True, error_model="numpy")
def _step_gradient(h, W2, goal, logistic, epsilon, c, u):  # type: ignore[no-untyped-def]
    """Set c and u = ∂ℓ/∂W2, (m,), of the loss at h and W2."""
    number = h.dtype.type
    zero, one, two = number(0), number(1), number(2)
    for j in range(h.size):
        u[j] = max(h[j], zero)
    norm = max(np.sqrt(np.dot(u, u)), epsilon)
    f = np.dot(W2, u) / norm
    slope = number(one / (one + np.exp(-f)) - goal if logistic else two * (f - goal))
    pull = f / norm if norm > epsilon else zero  # below ε the divisor is constant
    over = slope / norm
    for j in range(h.size):
        c[j] = over * (W2[j] - pull * u[j]) if h[j] > zero else zero
        u[j] *= over


@njit(cache=True, error_model="numpy")
def _rescale(W, norm):  # type: ignore[no-untyped-def]
    squares = W.dtype.type(0)
    for i in range(W.shape[0]):
        squares += np.dot(W[i], W[i])
    factor = norm / np.sqrt(squares)
    for i in range(W.shape[0]):
        row = W[i]
        for j in range(row.size):
            row[j] *= factor
