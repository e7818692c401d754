"""What Figure 7 plots: norms of β, and the Hessian with and without the elementwise scaling.

Eqs. 7–9 and the identities of Sec. 5.2 belong to L = ½‖X(u ⊙ v) − y‖₂², not to Eq. 6, which lacks
the ½. Here the curvature is that of ‖·‖₂²/2n: for whitened inputs, XᵀX = nI, all of them hold as
printed, and ½ tr ∇̃²L = ‖β‖₁ instead of twice that. No rank depends on it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sharpness.hessian import largest_eigenvalue, rescaled_hessian, trace
from sharpness.simple.diagonal.task import Task

Floats = npt.NDArray[np.float64]


class DiagonalNetwork(nn.Module):
    """x ↦ ⟨x, u ⊙ v⟩, with parameters u and v in this order."""

    def __init__(self, u: Floats, v: Floats) -> None:
        """Hold a copy of u and v, (d,) each."""
        super().__init__()
        self.u, self.v = nn.Parameter(torch.tensor(u)), nn.Parameter(torch.tensor(v))

    def forward(self, x: Tensor) -> Tensor:
        """Predictions for inputs (n, d), (n,)."""
        return x @ (self.u * self.v)


def half_squares(outputs: Tensor, targets: Tensor) -> Tensor:
    """‖outputs − targets‖₂²/2n."""
    return (outputs - targets).square().mean() / 2


def scaling(u: Floats, v: Floats) -> Floats:
    """The elementwise scaling c of Sec. 5.2, (2d,): √|u/v| for u and √|v/u| for v.

    The paper prints it the other way round, which does not give the norms of β that it states. The
    larger a weight and the smaller its partner, the farther it may move. A pair with a zero has
    c = 0, which is the limit of its share of the trace, |uv|.
    """
    a, b = np.abs(u), np.abs(v)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.tile(a * b > 0, 2), np.sqrt(np.concatenate([a / b, b / a])), 0.0)


def quantities(task: Task, u: Floats, v: Floats) -> dict[str, float]:
    """Test loss, norms and curvature of the network (u, v), (d,) each.

    Returns:
        ``test_loss``; ``trace`` = tr ∇²L; ``rescaled_trace`` and ``rescaled_eigenvalue`` = tr and
        λmax of ∇̃²L = ∇²L ⊙ ccᵀ; ``l1`` = ‖β‖₁; ``linf`` = ‖β‖∞.
    """
    network, beta = DiagonalNetwork(u, v), u * v
    batches = [(torch.tensor(task.X), torch.tensor(task.y))]
    plain, rescaled = torch.ones(2 * u.size), torch.tensor(scaling(u, v))
    with rescaled_hessian(network, batches, plain, loss=half_squares) as hessian:
        plain_trace = trace(hessian)
    with rescaled_hessian(network, batches, rescaled, loss=half_squares) as hessian:
        rescaled_trace, eigenvalue = trace(hessian), largest_eigenvalue(hessian)
    return {
        "test_loss": task.test_loss(beta),
        "trace": plain_trace,
        "rescaled_trace": rescaled_trace,
        "rescaled_eigenvalue": eigenvalue,
        "l1": float(np.abs(beta).sum()),
        "linf": float(np.abs(beta).max()),
    }
