"""Steps at batch size 1 for simplified BatchNorm: SGD and SAM, with a gradient by hand.

With x' = (x, 1) the weights of neuron j are one vector wⱼ = (W1ⱼ, b1ⱼ). The mean square sⱼ² is over
all n training examples, and the gradient flows through it: with φ = a/s and M = Σᵢ aᵢ x'ᵢ,

    ∂φ/∂w = 1[h > 0] x'/s − φ M/(n s²).

It is zero for a neuron that is not active on the example, and so is its share of ∂f/∂W2. So a step
gathers the k neurons that are active, and multiplies (n, d + 1) by (d + 1, k), for a, and back, for
M: once at θ, and once more at the point that SAM climbs to, where the other neurons have not moved.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, error_model="numpy")
def train(  # type: ignore[no-untyped-def]
    W, W2, g, inputs, goals, orders, logistic, rate, rho, keep
):
    """One step for each entry of ``orders``, in place.

    Args:
        W: W1 and b1 as (d + 1, m): rows as long as the layer is wide.
        W2: (m,).
        g: the gain, (1,).
        inputs: x' of every example, (n, d + 1).
        goals: what the outputs are compared with (``Loss.goal``), in the order of the visits.
        orders: the examples to visit, (epochs, n).
        logistic: whether the loss is the logistic one.
        rate: learning rate.
        rho: ρ of SAM, or 0.
        keep: what weight decay leaves of the weights in a step, 1 − rate λ.
    """
    (n, rows), m = inputs.shape, W2.size
    columns = np.ascontiguousarray(inputs.T)  # (d + 1, n)
    h, active = np.empty_like(W2), np.empty(m, np.int64)
    # Room for all neurons, of which a step takes as much as its active ones need.
    matrices, activations = np.empty((3, rows * m), W.dtype), np.empty(n * m, W.dtype)
    vectors = np.empty((4, m), W.dtype)
    for epoch in range(orders.shape[0]):
        for visit in range(orders.shape[1]):
            example, goal = orders[epoch, visit], goals[epoch, visit]
            np.dot(inputs[example], W, h)
            k = 0
            for j in range(m):
                if h[j] > 0:
                    active[k] = j
                    k += 1
            V = matrices[0, : rows * k].reshape((rows, k))
            D = matrices[1, : rows * k].reshape((rows, k))
            M = matrices[2, : rows * k].reshape((rows, k))
            a = activations[: n * k].reshape((n, k))
            V2, D2, s, c = vectors[0, :k], vectors[1, :k], vectors[2, :k], vectors[3, :k]
            for j in range(k):
                V2[j] = W2[active[j]]
                for i in range(rows):
                    V[i, j] = W[i, active[j]]
            there = g[0]
            dg = _gradient(
                V, V2, there, inputs, columns, example, goal, logistic, a, M, s, c, D, D2
            )
            squares = dg * dg + np.dot(D2, D2)
            for i in range(rows):
                squares += np.dot(D[i], D[i])
            if rho > 0 and squares > 0:
                climb = rho / np.sqrt(squares)
                V += climb * D
                V2 += climb * D2
                there += climb * dg
                dg = _gradient(
                    V, V2, there, inputs, columns, example, goal, logistic, a, M, s, c, D, D2
                )
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
def _gradient(  # type: ignore[no-untyped-def]
    V, V2, g, inputs, columns, example, goal, logistic, a, M, s, c, D, D2
):
    """Fill in D = ∂ℓ/∂w (d + 1, k) and D2 = ∂ℓ/∂W2 (k,) at V, V2 and g; returns ∂ℓ/∂g.

    ``columns`` is x' of every example, (d + 1, n); a (n, k), M (d + 1, k), s and c (k,) are room.
    """
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
