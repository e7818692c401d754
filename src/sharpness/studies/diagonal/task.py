"""The sparse regression task of Figure 7, and the quantities measured on its networks.

Eqs. 7–9 and the identities of Sec. 5.2 hold for L = ½‖X(u ⊙ v) − y‖₂², not for Eq. 6, which lacks
the ½. Here the curvature is that of ‖·‖₂²/2n: for whitened inputs, XᵀX = nI, all of them hold as
printed, and ½ tr ∇̃²L = ‖β‖₁ instead of twice that. Rank correlations do not depend on the factor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sharpness.studies.diagonal.geodesic import RADIUS, sharpness_inv, sharpness_mix

Floats = npt.NDArray[np.float64]

STREAM = 0
"""Second entry of the task's seed; draw k of `networks` has ``STREAM`` + 1 + k."""


@dataclass(frozen=True)
class SparseRegression:
    """Noise-free examples X (n, d), y (n,) of y = ⟨x, β*⟩, x standard Gaussian; truth β* (d,)."""

    X: Floats
    y: Floats
    truth: Floats

    def residual(self, beta: Floats) -> Floats:
        """Return the gradient Xᵀ(Xβ − y)/n (d,) of ‖Xβ − y‖₂²/2n by β."""
        return self.X.T @ (self.X @ beta - self.y) / len(self.y)

    def test_loss(self, beta: Floats) -> float:
        """Return E (⟨x, β⟩ − y)² over all inputs, which for standard Gaussian x is ‖β − β*‖₂²."""
        return float(np.square(beta - self.truth).sum())


def sparse_regression(seed: int, n: int = 80, d: int = 200, nonzero: int = 20) -> SparseRegression:
    """Draw the task of a seed: n examples in d dimensions; ``nonzero`` entries of β* are not 0.

    The paper states d and that 90 % of β* is zero; n, the Gaussian inputs and the standard normal
    entries are ours. The nonzero entries come first, which loses no generality: the distribution of
    X does not depend on the order of its columns.
    """
    generator = np.random.default_rng([seed, STREAM])
    X = generator.standard_normal((n, d))
    truth = np.zeros(d)
    truth[:nonzero] = generator.standard_normal(nonzero)
    return SparseRegression(X, X @ truth, truth)


def network_hessian(task: SparseRegression, u: Floats, v: Floats) -> Floats:
    """Return ∇²L (2d, 2d) of L = ‖X(u ⊙ v) − y‖₂²/2n by w = (u, v), which is Eq. 7 over n.

    With S = XᵀX/n and s = Xᵀ(Xβ − y)/n its blocks are VSV, VSU + diag(s) and USU.
    """
    gram = task.X.T @ task.X / len(task.y)
    across = v[:, None] * gram * u + np.diag(task.residual(u * v))
    return np.block([[v[:, None] * gram * v, across], [across.T, u[:, None] * gram * u]])


def network_scaling(u: Floats, v: Floats) -> Floats:
    """Return the elementwise scaling c of Sec. 5.2, (2d,): √|u/v| for u and √|v/u| for v.

    The paper prints it the other way round, which does not give the norms of β that it states. A
    weight may move the farther, the larger it is and the smaller its partner. A pair with a zero
    has c = 0, which is the limit of its share of the trace, |uv|.
    """
    a, b = np.abs(u), np.abs(v)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.tile(a * b > 0, 2), np.sqrt(np.concatenate([a / b, b / a])), 0.0)


def measure_network(task: SparseRegression, u: Floats, v: Floats) -> dict[str, float]:
    """Return test loss, norms and curvature of the network (u, v), (d,) each.

    The keys are ``test_loss``; ``trace`` = tr ∇²L; ``rescaled_trace`` and ``rescaled_eigenvalue`` =
    tr and λmax of ∇̃²L = ∇²L ⊙ ccᵀ; ``l1`` = ‖β‖₁; ``linf`` = ‖β‖∞; ``s_inv`` and ``s_mix``, the
    geodesic sharpness at `RADIUS` by the formulas for whitened inputs, with r = Xᵀ(Xβ − y)/n.
    """
    beta, c = u * v, network_scaling(u, v)
    hessian, residual = network_hessian(task, u, v), task.residual(beta)
    rescaled = c[:, None] * hessian * c
    return {
        "test_loss": task.test_loss(beta),
        "trace": float(np.trace(hessian)),
        "rescaled_trace": float(np.trace(rescaled)),
        "rescaled_eigenvalue": float(np.linalg.eigvalsh(rescaled)[-1]),
        "l1": float(np.abs(beta).sum()),
        "linf": float(np.abs(beta).max()),
        "s_inv": sharpness_inv(beta, residual, RADIUS),
        "s_mix": sharpness_mix(residual, RADIUS),
    }
