"""Geodesic sharpness of a diagonal network in closed form (da Silva, Dangel and Oore, 2025).

For L = ‖X(u ⊙ v) − y‖² with XᵀX = I the loss is ‖r‖² up to a constant, where r = β − β* and β* is
the least-squares solution. A horizontal tangent vector is a b in ℝᵈ: in the metric inv it has the
norm √2‖b‖ and leads to β ⊙ e^{2b}, in the metric mix the norm √2‖β ⊙ b‖ and leads to β ⊙ (1 + 2b).
The maxima below are ours; those printed in the paper (Eq. 8) take ‖b‖ ≤ ρ, add the maxima of two
terms, and drop constants.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

RADIUS = 0.1
"""The radius of the study, ours; none is published."""

_STEPS = 300
_STARTS = 5


def sharpness_mix(r: Floats, radius: float) -> float:
    """Return S_mix(ρ) = (‖r‖ + √2 ρ)² − ‖r‖²: every network has the same ball around β."""
    reach = np.sqrt(2) * radius
    return float(reach * (2 * np.linalg.norm(r) + reach))


def sharpness_inv(beta: Floats, r: Floats, radius: float) -> float:
    r"""Return S_inv(ρ), the largest ‖β ⊙ e^{2b} − β*‖² − ‖r‖² over ‖b‖ ≤ ρ/√2.

    Each step goes to the point of the sphere in the direction of the gradient, which raises a
    convex function, as this one is near a minimum. It starts at the gradient in 0, the maximum for
    small ρ, and at both signs of the coordinates with the largest \|β\|, one of which is the
    maximum where r = 0; the highest end counts.
    """
    reach, optimum = radius / np.sqrt(2), beta - r
    largest = np.eye(beta.size)[np.argsort(-np.abs(beta), kind="stable")[:_STARTS]]
    b = np.vstack([beta * r, largest, -largest])  # (starts, d)
    for _ in range(_STEPS):
        norm = np.linalg.norm(b, axis=1, keepdims=True)
        b = reach * np.divide(b, norm, out=np.zeros_like(b), where=norm > 0)
        moved = beta * np.exp(2 * b)
        rise = ((moved - beta) * (moved + beta - 2 * optimum)).sum(axis=1)
        b = moved * (moved - optimum)
    return float(rise.max())
