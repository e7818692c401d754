"""Limits of sharpness as ρ → 0: trace and largest eigenvalue of ∇²L ⊙ ccᵀ (Props. 1 and 2).

With γ = δ / c the Hessian with respect to γ at zero is diag(c) ∇²L diag(c) = ∇²L ⊙ ccᵀ, so a module
whose only parameter is γ turns any scaling into an ordinary Hessian.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from curvlinops import HessianLinearOperator, hutchinson_trace
from scipy.sparse.linalg import eigsh
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy

from sharpness.data.batches import Batch, Inputs, size, to_device
from sharpness.measures.objective import LogitScale, Loss, Network, evaluation_mode, normalized


class _Perturbed(nn.Module):
    """Logits at w + c ⊙ γ as a module whose only parameter is γ, (p,)."""

    def __init__(self, network: Network, c: Tensor, scale: LogitScale) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros_like(network.weights))
        self._network, self._c, self._scale = network, c, scale

    def forward(self, inputs: Inputs) -> Tensor:
        weights = self._network.weights + self._c * self.gamma
        return normalized(self._network.outputs(weights, inputs), self._scale)


class _MeanLoss(nn.Module):
    """Mean loss as a module, as ``HessianLinearOperator`` expects it."""

    reduction = "mean"

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self._loss = loss

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self._loss(outputs, targets)


@contextmanager
def rescaled_hessian(
    model: nn.Module,
    batches: Sequence[Batch],
    c: Tensor,
    *,
    scale: LogitScale = None,
    loss: Loss = cross_entropy,
) -> Iterator[HessianLinearOperator]:
    """Yield ∇²L ⊙ ccᵀ of the mean loss over all batches as a (p, p) linear operator.

    The model is measured in evaluation mode and left as it was; the operator is valid only inside
    the block. ``c``, (p,), is in the order of ``model.parameters()``; |w| is adaptive, 1 standard.
    ``scale`` is as in ``objective.normalized``; ``loss`` is a mean over the examples of a batch.
    """
    # The derivatives of fused attention cannot be differentiated again.
    with evaluation_mode(model), sdpa_kernel(SDPBackend.MATH):
        network = Network(model)
        data = [to_device(batch, network.weights.device) for batch in batches]
        perturbed = _Perturbed(network, c.to(network.weights), scale)
        yield HessianLinearOperator(
            perturbed,
            _MeanLoss(loss),
            [perturbed.gamma],
            data,
            check_deterministic=False,
            num_data=sum(len(targets) for _, targets in data),
            batch_size_fn=size,
        )


def trace(operator: HessianLinearOperator, draws: int | None = None, seed: int = 0) -> float:
    """Return tr(∇²L ⊙ ccᵀ), the limit of average-case sharpness over ρ²/2 (Prop. 2).

    ``draws`` is the number of matrix-vector products of Hutchinson's estimator, with random seed
    ``seed``; None is exact, by p products.
    """
    if draws is not None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return float(hutchinson_trace(operator, draws))
    size = operator.shape[0]
    total = 0.0
    for start in range(0, size, 64):
        columns = torch.arange(start, min(start + 64, size), device=operator.device)
        basis = torch.zeros(size, len(columns), dtype=operator.dtype, device=operator.device)
        basis[columns, torch.arange(len(columns))] = 1
        total += float((operator @ basis)[columns, torch.arange(len(columns))].sum())
    return total


def largest_eigenvalue(operator: HessianLinearOperator, seed: int = 0) -> float:
    """Return λmax(∇²L ⊙ ccᵀ), the limit of worst-case ℓ2 sharpness over ρ²/2 (Prop. 1).

    The limit holds at a minimum. The eigenvalue is the largest, not the largest in modulus.
    ``seed`` determines Lanczos' starting vector.
    """
    matrix = operator.to_scipy()
    start = np.random.default_rng(seed).standard_normal(matrix.shape[0]).astype(matrix.dtype)
    (value,) = eigsh(matrix, k=1, which="LA", v0=start, return_eigenvectors=False)
    return float(value)
