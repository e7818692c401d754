"""Simplified BatchNorm, f(x) = g W2 · φ with φ = a/s, a = relu(W1 x + b1), s² the mean of a².

The mean is over all n training examples, and gradients flow through it.

Steps at batch size 1 use a gradient derived by hand. With x' = (x, 1) the weights of neuron j are
one vector wⱼ = (W1ⱼ, b1ⱼ), and with M = Σᵢ aᵢ x'ᵢ,

    ∂φ/∂w = 1[h > 0] x'/s − φ M/(n s²).

It is zero for a neuron that is not active on the example, and so is its part of ∂f/∂W2. So a step
gathers the k active neurons and multiplies (n, d + 1) by (d + 1, k) for a, and back for M: once at
θ, and once at the point that SAM ascends to, where the other neurons have not moved.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numba import njit

from sharpness.studies.wen.networks import (
    Array,
    EpochSchedule,
    Floats,
    Loss,
    Weights,
    descend,
    doubles,
    hidden,
)


def advance(architecture: str, weights: Weights, visits: EpochSchedule) -> None:
    """Train ``weights`` in place, as `training.advance` documents."""
    if visits.phase.batch != 1:
        descend(partial(gradient, train=visits.X, loss=visits.loss), weights, visits)
        return
    W = np.ascontiguousarray(np.vstack([weights["W1"].T, weights["b1"]]))
    g = np.array([weights["g"]])
    _train(
        W,
        weights["W2"],
        g,
        np.column_stack([visits.X, np.ones_like(visits.y)]),
        visits.goals,
        visits.orders,
        visits.logistic,
        *visits.rates,
    )
    weights["W1"][:], weights["b1"][:], weights["g"][...] = W[:-1].T, W[-1], g[0]


def gradient(weights: Weights, x: Array, y: Array, train: Array, loss: Loss) -> Weights:
    """Return the gradient of a batch's mean loss, by the names of ``weights``.

    x is (examples, d), y (examples,), and ``train``, all training inputs, (n, d).
    """
    W2, g = weights["W2"], weights["g"]
    h = hidden(weights, x)
    a_train = np.maximum(hidden(weights, train), 0)
    s = _rms(a_train)
    phi = np.maximum(h, 0) / s
    slopes = loss.mean_slope(g * phi @ W2, y)
    back = g * W2 / s * slopes[:, None] * (h > 0)  # dL/dh with s fixed, (examples, m)
    # And through s: −Σ dL/dφ φ/s, times ∂s/∂h = a/(n s) on every training example.
    through = -(g * W2 * (slopes @ phi) / s**2 / len(train)) * a_train
    return {
        "W1": back.T @ x + through.T @ train,
        "b1": back.sum(axis=0) + through.sum(axis=0),
        "W2": g * (slopes @ phi),
        "g": slopes @ phi @ W2,
    }


def outputs(w: Weights, X: Floats, train: Floats) -> Floats:
    """Return f(x), (examples,), of weights in float64 for inputs X (examples, d).

    ``train`` holds all training inputs, (n, d).
    """
    s = _rms(np.maximum(hidden(w, train), 0))
    phi = np.maximum(hidden(w, X), 0) / s
    return np.asarray(phi @ (w["g"] * w["W2"]), dtype=np.float64)


def derivatives(w: Weights, sizes: Weights, inputs: Floats) -> tuple[Array, Array, Array]:
    """Return f, ‖∇f‖² and Tr ∇²f of all training inputs as `measures.derivatives` does.

    f is linear in W2 and in g. By an entry of W1 or b1,

        ∂φ = ∂a/s − φ ∂s/s,    ∂²φ = −2 ∂a ∂s/s² − φ ∂²s/s + 2 φ (∂s)²/s²,

    where s ∂s = mean(a ∂a) and s ∂²s + (∂s)² = mean((∂a)²) over the training examples.
    """
    size = np.column_stack([sizes["W1"], sizes["b1"]])  # (m, d + 1)
    x = np.column_stack([inputs, np.ones(len(inputs))])  # x', (n, d + 1)
    h = hidden(w, inputs)
    on, a = (h > 0).astype(np.float64), np.maximum(h, 0)  # (n, m)
    s = _rms(a)
    phi = a / s
    ds = phi.T @ x / len(x)  # (m, d + 1)
    ds_squared = (size * ds**2).sum(axis=1)  # Σ (∂s)², (m,)
    s_d2s = (size * (on.T @ x**2 / len(x))).sum(axis=1) - ds_squared  # s Σ ∂²s, (m,)
    da_ds = on * (x @ (size * ds).T)  # Σ ∂a ∂s, (n, m)
    da_squared = on * (x**2 @ size.T)  # Σ (∂a)², (n, m)
    first = (da_squared - 2 * phi * da_ds + phi**2 * ds_squared) / s**2  # Σ (∂φ)²
    second = (-2 * da_ds - phi * s_d2s + 2 * phi * ds_squared) / s**2  # Σ ∂²φ
    slope_of_phi = w["g"] * w["W2"]
    f_by_g = phi @ w["W2"]
    squares = first @ slope_of_phi**2 + w["g"] ** 2 * (phi**2 @ sizes["W2"])
    squares += sizes["g"] * f_by_g**2
    return w["g"] * f_by_g, squares, second @ slope_of_phi


def active_neurons(weights: Weights, train: Floats) -> int:
    """Return the number of neurons active on some training input: k of the bound 4√k."""
    return int(np.count_nonzero((hidden(doubles(weights), train) > 0).any(axis=0)))


def _rms(a: Array) -> Array:
    """Return s of every neuron, (m,), from a (n, m); 1 for a neuron that is never active."""
    s = np.sqrt(np.mean(a**2, axis=0))
    return np.where(s > 0, s, np.ones_like(s))


@njit(cache=True, error_model="numpy")
def _train(  # type: ignore[no-untyped-def]
    W, W2, g, inputs, goals, orders, logistic, rate, rho, keep
):
    """Take one step for each entry of ``orders``, (epochs, n), in place.

    W is W1 and b1 as (d + 1, m), so that rows are as long as the layer is wide; W2 (m,); g (1,).
    ``inputs`` are x' of all examples, (n, d + 1); ``goals`` are `Loss.goal` in the order of the
    visits; ``rho`` is 0 without SAM; ``keep`` is the factor of weight decay in a step, 1 − rate λ.
    """
    (n, rows), m = inputs.shape, W2.size
    columns = np.ascontiguousarray(inputs.T)  # (d + 1, n)
    h, active = np.empty_like(W2), np.empty(m, np.int64)
    # Scratch space for all neurons; a step uses the part that its active ones need.
    matrices, activations = np.empty((3, rows * m), W.dtype), np.empty(n * m, W.dtype)
    vectors = np.empty((4, m), W.dtype)
    for epoch in range(orders.shape[0]):
        for visit in range(orders.shape[1]):
            target = orders[epoch, visit], goals[epoch, visit], logistic
            np.dot(inputs[target[0]], W, h)
            k = 0
            for j in range(m):
                if h[j] > 0:
                    active[k] = j
                    k += 1
            V = matrices[0, : rows * k].reshape((rows, k))
            D = matrices[1, : rows * k].reshape((rows, k))
            M = matrices[2, : rows * k].reshape((rows, k))
            V2, D2, a = vectors[0, :k], vectors[1, :k], activations[: n * k].reshape((n, k))
            room = a, M, vectors[2, :k], vectors[3, :k]
            _gather(W, W2, active, V, V2)
            there = g[0]
            dg = _step_gradient(V, V2, there, inputs, columns, target, room, D, D2)
            squares = dg * dg + np.dot(D2, D2)
            for i in range(rows):
                squares += np.dot(D[i], D[i])
            if rho > 0 and squares > 0:
                climb = rho / np.sqrt(squares)
                V += climb * D
                V2 += climb * D2
                there += climb * dg
                dg = _step_gradient(V, V2, there, inputs, columns, target, room, D, D2)
            if keep < 1:
                W *= keep
                W2 *= keep
                g *= keep
            g[0] -= rate * dg
            for j in range(k):
                W2[active[j]] -= rate * D2[j]
                for i in range(rows):
                    W[i, active[j]] -= rate * D[i, j]


@njit(cache=True, error_model="numpy")
def _gather(W, W2, active, V, V2):  # type: ignore[no-untyped-def]
    """Copy the weights of the active neurons from W and W2 to V and V2."""
    for j in range(V2.size):
        V2[j] = W2[active[j]]
        for i in range(V.shape[0]):
            V[i, j] = W[i, active[j]]


@njit(cache=True, error_model="numpy")
def _step_gradient(V, V2, g, inputs, columns, target, room, D, D2):  # type: ignore[no-untyped-def]
    """Set D = ∂ℓ/∂w (d + 1, k) and D2 = ∂ℓ/∂W2 (k,) at V, V2 and g; return ∂ℓ/∂g.

    ``columns`` is x' of every example, (d + 1, n); ``target`` the example's index, its goal and
    whether the loss is logistic; ``room`` scratch space for a (n, k), M (d + 1, k), s and c (k,).
    """
    (example, goal, logistic), (a, M, s, c) = target, room
    number = V.dtype.type
    zero, one, two = number(0), number(1), number(2)
    n, k = a.shape
    np.dot(inputs, V, a)
    s[:] = zero
    for i in range(n):
        row = a[i]
        for j in range(k):
            row[j] = max(row[j], zero)
            s[j] += row[j] * row[j]
    np.dot(columns, a, M)
    for j in range(k):
        s[j] = np.sqrt(s[j] / number(n)) if s[j] > zero else one
        D2[j] = a[example, j] / s[j]  # φ
    sum_ = np.dot(V2, D2)  # f/g
    f = g * sum_
    slope = number(one / (one + np.exp(-f)) - goal if logistic else two * (f - goal))
    for j in range(k):
        c[j] = slope * g * V2[j] / s[j]
        s[j] = c[j] * D2[j] / (number(n) * s[j])
        c[j] = c[j] if D2[j] > zero else zero
        D2[j] *= slope * g
    for i in range(D.shape[0]):
        x = columns[i, example]
        row, sums = D[i], M[i]
        for j in range(k):
            row[j] = c[j] * x - s[j] * sums[j]
    return slope * sum_
