"""Steps at batch size 1 for simplified LayerNorm: SGD and SAM, with a gradient by hand.

With x' = (x, 1) the weights of neuron j are one vector (W1ⱼ, b1ⱼ), and the gradient of an example's
loss by it is x' times a number cⱼ; with u = a/‖a‖,

    cⱼ = ℓ' 1[hⱼ > 0] (W2ⱼ − f uⱼ)/‖a‖,    ∂ℓ/∂W2 = ℓ' u,    ‖∇ℓ‖² = ‖x'‖² ‖c‖² + ℓ'² ‖u‖².

So SAM's ascent adds ρ ‖x'‖² cⱼ/‖∇ℓ‖ to hⱼ, and a step passes twice over W1, for h and to change it.
"""

from __future__ import annotations

import numpy as np
from numba import njit


# Divisions that raise on zero, numba's default, would keep loops from being vectorised.
@njit(cache=True, error_model="numpy")
def train(  # type: ignore[no-untyped-def]
    W, W2, inputs, goals, orders, logistic, rate, rho, keep, norm, epsilon
):
    """One step for each entry of ``orders``, in place.

    Args:
        W: W1 and b1 as (d + 1, m): rows as long as the layer is wide.
        W2: (m,).
        inputs: x' of every example, (n, d + 1).
        goals: what the outputs are compared with (``Loss.goal``), in the order of the visits.
        orders: the examples to visit, (epochs, n).
        logistic: whether the loss is the logistic one.
        rate: learning rate.
        rho: ρ of SAM, or 0.
        keep: what weight decay leaves of the weights in a step, 1 − rate λ.
        norm: what ‖(W1, b1)‖ is rescaled to after each step, or 0.
        epsilon: ε of the normalisation.
    """
    h, u, c, V2 = np.empty_like(W2), np.empty_like(W2), np.empty_like(W2), np.empty_like(W2)
    for epoch in range(orders.shape[0]):
        for visit in range(orders.shape[1]):
            x, goal = inputs[orders[epoch, visit]], goals[epoch, visit]
            length = np.dot(x, x)
            np.dot(x, W, h)
            V2[:] = W2
            _gradient(h, V2, goal, logistic, epsilon, c, u)
            squares = length * np.dot(c, c) + np.dot(u, u)
            if rho > 0 and squares > 0:
                climb = rho / np.sqrt(squares)
                for j in range(h.size):
                    h[j] += climb * length * c[j]
                    V2[j] += climb * u[j]
                _gradient(h, V2, goal, logistic, epsilon, c, u)
            for j in range(h.size):
                W2[j] = keep * W2[j] - rate * u[j]
            for i in range(x.size):
                row, step = W[i], rate * x[i]
                for j in range(h.size):
                    row[j] = keep * row[j] - step * c[j]
            if norm > 0:
                _rescale(W, norm)


@njit(cache=True, error_model="numpy")
def _gradient(h, W2, goal, logistic, epsilon, c, u):  # type: ignore[no-untyped-def]
    """Fill in c and u = ∂ℓ/∂W2, (m,), of the loss at h and W2."""
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
    """Give W this norm."""
    squares = W.dtype.type(0)
    for i in range(W.shape[0]):
        squares += np.dot(W[i], W[i])
    factor = norm / np.sqrt(squares)
    for i in range(W.shape[0]):
        row = W[i]
        for j in range(row.size):
            row[j] *= factor
