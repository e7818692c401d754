"""Limits of sharpness as ρ → 0: trace and largest eigenvalue of ∇²L ⊙ ccᵀ (Props. 1 and 2)."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

import numpy as np
import torch
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy

from sharpness.data.batches import Batch, batch_list, to_device
from sharpness.io.errors import UserError, described
from sharpness.measures.arguments import check_count
from sharpness.measures.checks import check_function, check_gradient, check_repeatable
from sharpness.measures.network import Network
from sharpness.measures.objective import LogitScale, Loss, Objective, counted, mean_loss
from sharpness.measures.parameters import Parameters

with warnings.catch_warnings():  # a package that it imports uses torch.jit.script
    warnings.simplefilter("ignore", FutureWarning)
    from curvlinops import hutchinson_squared_fro, hutchinson_trace

DENSE = 512
"""Largest matrix that is kept, and whose eigenvalues are computed directly."""

_COLUMNS = 64


class RescaledHessian:
    """∇²L ⊙ ccᵀ of the mean loss over all batches, a symmetric (p, p) linear operator.

    Columns are the derivatives of ⟨∇L, c ⊙ v⟩, by two backward passes: unlike forward mode over
    vectorized passes, this works for every layer that has a backward pass.
    """

    def __init__(
        self, network: Network, batches: Sequence[Batch], c: Tensor, loss: Loss, scale: LogitScale
    ) -> None:
        """Take the batches, on the device of the weights, and the elementwise scaling c, (p,)."""
        self._network, self._batches, self._c = network, batches, c
        self._loss, self._scale = loss, scale
        counts = [counted(loss, targets) for _, targets in batches]
        if not sum(counts):
            raise UserError("no target of the batches counts; there is no loss to differentiate")
        self._shares = [count / sum(counts) for count in counts]
        self.shape = torch.Size((len(c), len(c)))
        self.dtype, self.device = c.dtype, c.device

    def __matmul__(self, vectors: Tensor) -> Tensor:
        """Return the product with ``vectors``, (p,) or (p, k)."""
        columns = (self._c[:, None] * vectors.reshape(len(self._c), -1)).unbind(dim=1)
        total = torch.zeros(len(self._c), len(columns), dtype=self.dtype, device=self.device)
        for batch, share in zip(self._batches, self._shares, strict=True):
            if share:
                total += self._products(batch, share, columns)
        return (self._c[:, None] * total).reshape(vectors.shape)

    def block(self, start: int) -> Tensor:
        """Return the next 64 columns of the matrix from the number ``start``."""
        size = self.shape[0]
        count = min(_COLUMNS, size - start)
        basis = torch.zeros(size, count, dtype=self.dtype, device=self.device)
        basis[start : start + count] = torch.eye(count, dtype=self.dtype)
        return self @ basis

    @cached_property
    def columns(self) -> tuple[Tensor, ...]:
        """The whole matrix in such blocks; it is small, and asked for more than once."""
        return tuple(self.block(start) for start in range(0, self.shape[0], _COLUMNS))

    @torch.enable_grad()
    def _products(self, batch: Batch, share: float, columns: Sequence[Tensor]) -> Tensor:
        network, (inputs, targets) = self._network, batch
        with twice_differentiable(), network.at(network.weights) as outputs_of:
            loss = mean_loss(self._loss, outputs_of(inputs), targets, self._scale)
            gradient = network.gradient(share * loss, twice=True)
            products = [network.gradient(gradient @ v, keep=True) for v in columns]
        return torch.stack(products, dim=1)


@contextmanager
def twice_differentiable() -> Iterator[None]:
    """Avoid fused attention and oneDNN's recurrent layers, whose gradients have no derivatives."""
    with (
        sdpa_kernel(SDPBackend.MATH),
        torch.backends.mkldnn.flags(enabled=False, allow_tf32=torch.backends.mkldnn.allow_tf32),
    ):
        yield


@contextmanager
def rescaled_hessian(
    model: nn.Module,
    batches: Iterable[Batch],
    c: Tensor,
    *,
    scale: LogitScale = None,
    loss: Loss = cross_entropy,
    parameters: Parameters = "all",
) -> Iterator[RescaledHessian]:
    """Yield ∇²L ⊙ ccᵀ of the mean loss over all batches as a (p, p) linear operator.

    The model is measured in evaluation mode and left as it was; the operator is valid only inside
    the block. ``c``, (p,), is in the order of ``model.parameters()``; |w| is adaptive, 1 standard.
    ``scale`` is as in ``objective.normalized``; ``loss`` is a mean over the examples of a batch.

    Raises:
        UserError: if c does not have one entry a weight or ``scale`` is none, or as in
            ``sharpness``.
    """
    with torch.inference_mode(False):
        network = Network(model, parameters)
        with described("c, which must be a tensor,"):
            c = torch.as_tensor(c)
        if c.shape != network.weights.shape:
            raise UserError(
                f"c has shape {tuple(c.shape)}; the model has {len(network.weights)} weights"
            )
        data = [to_device(batch, network.weights.device) for batch in batch_list(batches)]
        if not data:
            raise UserError("there are no batches to take the Hessian on")
        operator = RescaledHessian(network, data, c.to(network.weights), loss, scale)
        objectives = [Objective(network, batch, loss) for batch in data if counted(loss, batch[1])]
        objectives[0].unperturbed(scale)
        with twice_differentiable():
            check_function(objectives[0])
            for objective in objectives:
                check_repeatable(objective, objective.whole)
                check_gradient(objective)
        yield operator


def trace(operator: RescaledHessian, draws: int | None = None, seed: int = 0) -> float:
    """Return tr(∇²L ⊙ ccᵀ), the limit of average-case sharpness over ρ²/2 (Prop. 2).

    ``draws`` is the number of matrix-vector products of Hutchinson's estimator, with random seed
    ``seed``; None, or p and more, is exact, by p products.
    """
    if _fewer(operator, draws, seed):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return float(hutchinson_trace(operator, draws))
    return sum(float(block.diagonal(-start).sum()) for start, block in _blocks(operator))


def frobenius_norm(operator: RescaledHessian, draws: int | None = None, seed: int = 0) -> float:
    """Return ‖∇²L ⊙ ccᵀ‖_F = √(E ‖Hv‖²), by products with random vectors v as in ``trace``."""
    if _fewer(operator, draws, seed):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return float(hutchinson_squared_fro(operator, draws)) ** 0.5
    return sum(float(block.square().sum()) for _, block in _blocks(operator)) ** 0.5


def _fewer(operator: RescaledHessian, draws: int | None, seed: int) -> bool:
    """Return whether there are fewer ``draws`` than weights, so that it is an estimate."""
    check_count("seed", seed, least=0)
    if draws is not None:
        check_count("draws", draws)
    return draws is not None and draws < operator.shape[0]


def _blocks(operator: RescaledHessian) -> Iterator[tuple[int, Tensor]]:
    """Yield columns of the matrix, 64 at a time, with the number of the first."""
    size = operator.shape[0]
    if size <= DENSE:
        yield from zip(range(0, size, _COLUMNS), operator.columns, strict=True)
    else:
        yield from ((start, operator.block(start)) for start in range(0, size, _COLUMNS))


def largest_eigenvalue(operator: RescaledHessian, seed: int = 0) -> float:
    """Return λmax(∇²L ⊙ ccᵀ), the limit of worst-case ℓ2 sharpness over ρ²/2 (Prop. 1).

    The limit holds at a minimum. The eigenvalue is the largest, not the largest in modulus.
    ``seed`` determines Lanczos' starting vector.

    Raises:
        UserError: if Lanczos' iteration does not converge.
    """
    size = operator.shape[0]
    check_count("seed", seed, least=0)
    if size <= DENSE:
        matrix = torch.cat(operator.columns, dim=1)
        if not matrix.isfinite().all():
            raise UserError("the Hessian has entries that are not finite")
        return float(torch.linalg.eigvalsh((matrix + matrix.T) / 2)[-1])

    def product(vector: np.ndarray) -> np.ndarray:
        like = torch.as_tensor(vector.reshape(-1), dtype=operator.dtype, device=operator.device)
        return (operator @ like).cpu().numpy()

    start = np.random.default_rng(seed).standard_normal(size)
    if not product(start).any():
        return 0.0  # a random vector lies in the null space of the zero matrix alone
    kind = np.float64 if operator.dtype is torch.float64 else np.float32
    matrix = LinearOperator((size, size), matvec=product, dtype=kind)
    try:
        (value,) = eigsh(matrix, k=1, which="LA", v0=start.astype(kind), return_eigenvectors=False)
    except ArpackError as error:
        raise UserError(f"the largest eigenvalue was not found: {error}") from error
    return float(value)
