"""Loss of one batch as a pure function of one flat vector of weights.

The model's tensors are never changed: weights go in through ``torch.func.functional_call``, buffers
are read from copies, and the model is measured in evaluation mode.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

from sharpness.data.batches import Batch, Inputs, logits_of, split_batch, to_device
from sharpness.io.errors import UserError

Loss = Callable[[Tensor, Tensor], Tensor]
"""(outputs, targets) → a scalar that is the mean over examples of a loss of each example."""
LogitScale = Literal["rms", "norm"] | None


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put every submodule in evaluation mode inside the block, and restore its mode afterwards."""
    before = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in before.items():
            module.training = training


def normalized(logits: Tensor, scale: LogitScale) -> Tensor:
    """Normalize logits (n, K) so that the scale of the last layer does not matter (Eq. 5).

    A constant logit vector, for which Eq. 5 is 0/0, keeps its scale. A ``scale`` of None leaves the
    logits alone; "rms" divides them by the root mean square of the centred logits (Eq. 5); "norm"
    centres and divides by the ℓ2 norm (the released code), which gives logits smaller by √K.
    """
    if scale is None:
        return logits
    centred = logits - logits.mean(dim=-1, keepdim=True)
    if scale == "norm":
        return centred / centred.norm(dim=-1, keepdim=True).clamp_min(1e-10)
    variance = centred.square().mean(dim=-1, keepdim=True)
    rounding = (8 * torch.finfo(logits.dtype).eps) ** 2 * logits.square().mean(-1, keepdim=True)
    # The constant is chosen before the square root, whose derivative at zero is infinite.
    return logits / torch.where(variance > rounding, variance, 1.0).sqrt()


class Network:
    """Model as a pure function (flat weights, inputs) → outputs.

    ``weights`` is w, all parameters in the model's order, (p,).
    """

    def __init__(self, model: nn.Module) -> None:
        """Copy the weights and buffers out of ``model``.

        Raises:
            UserError: if the model has no parameters, or one that is not floating point.
        """
        parameters = dict(model.named_parameters())
        if not parameters:
            raise UserError("the model has no parameters, so there is nothing to perturb")
        for name, value in parameters.items():
            if not value.is_floating_point():
                raise UserError(
                    f"parameter {name!r} is {value.dtype}; sharpness needs real numbers"
                )
        self._model = model
        self._like = {name: (value.shape, value.dtype) for name, value in parameters.items()}
        self._sizes = [value.numel() for value in parameters.values()]
        self._buffers = {name: value.clone() for name, value in model.named_buffers()}
        self.weights = torch.cat([value.detach().flatten() for value in parameters.values()])

    def outputs(self, weights: Tensor, inputs: Inputs) -> Tensor:
        """Return the model's outputs at ``weights`` (p,), commonly logits (n, K)."""
        pieces = weights.split(self._sizes)
        state: dict[str, Tensor] = dict(self._buffers)
        for (name, (shape, dtype)), piece in zip(self._like.items(), pieces, strict=True):
            state[name] = piece.view(shape).to(dtype)
        if isinstance(inputs, Mapping):
            outputs = torch.func.functional_call(self._model, state, (), dict(inputs))
        else:
            outputs = torch.func.functional_call(self._model, state, (inputs,))
        return logits_of(outputs)


class Objective:
    """Loss L_S(w) of one batch S of m ``examples``.

    A batch may go through the network in pieces, which takes less memory. L is a mean over
    examples, so the losses and gradients of the pieces, weighted by their examples, add up to those
    of the whole batch, up to rounding.
    """

    def __init__(
        self, network: Network, batch: Batch, loss: Loss, micro_batch: int | None = None
    ) -> None:
        """Move the batch, (inputs, targets), to the device of the weights.

        Inputs are a tensor or a mapping of keyword tensors. ``loss`` is a mean over the examples.
        At most ``micro_batch`` examples take one pass; None is the whole batch.

        Raises:
            UserError: if the batch is empty, or ``micro_batch`` is not at least 1.
        """
        if micro_batch is not None and micro_batch < 1:
            raise UserError(f"micro_batch is {micro_batch}; it must be at least 1")
        self.network = network
        batch = to_device(batch, network.weights.device)
        self.examples = len(batch[1])
        if not self.examples:
            raise UserError("a batch has no examples; leave it out")
        self._pieces = split_batch(batch, micro_batch or self.examples)
        self._shares = [len(targets) / self.examples for _, targets in self._pieces]
        self._loss = loss
        self._unperturbed: dict[LogitScale, float] = {}

    @torch.no_grad()
    def losses(self, weights: Tensor, scales: Sequence[LogitScale]) -> list[float]:
        """Return L at ``weights`` for each logit scale, from one forward pass of each example."""
        found = [self._losses(weights, piece, scales) for piece in self._pieces]
        return [_mean(losses, self._shares) for losses in zip(*found, strict=True)]

    def _losses(self, weights: Tensor, piece: Batch, scales: Sequence[LogitScale]) -> list[float]:
        inputs, targets = piece
        outputs = self.network.outputs(weights, inputs)
        return [self._loss(normalized(outputs, s), targets).item() for s in scales]

    @torch.enable_grad()
    def loss_and_gradient(self, weights: Tensor, scale: LogitScale) -> tuple[float, Tensor]:
        """Return L and ∇L (p,) at ``weights``, by one forward and backward pass of each example."""
        weights = weights.detach().requires_grad_()
        losses, total = [], None
        for piece, share in zip(self._pieces, self._shares, strict=True):
            loss, gradient = self._weighted(weights, piece, share, scale)
            losses.append(loss)
            total = gradient if total is None else total.add_(gradient)
            del gradient  # free it before the next one is made
        assert total is not None
        return _mean(losses, self._shares), total

    def _weighted(
        self, weights: Tensor, piece: Batch, share: float, scale: LogitScale
    ) -> tuple[float, Tensor]:
        """Return the loss of a piece, and its gradient times the share."""
        inputs, targets = piece
        loss = self._loss(normalized(self.network.outputs(weights, inputs), scale), targets)
        (gradient,) = torch.autograd.grad(loss, weights, torch.full_like(loss, share))
        return loss.item(), gradient

    def unperturbed(self, scale: LogitScale) -> float:
        """Return L at the model's own weights; raise UserError if it is not finite."""
        if scale not in self._unperturbed:
            (loss,) = self.losses(self.network.weights, [scale])
            if not math.isfinite(loss):
                raise UserError(
                    f"the loss of the unperturbed model is {loss}; sharpness needs a finite one"
                )
            self._unperturbed[scale] = loss
        return self._unperturbed[scale]


def _mean(losses: Sequence[float], shares: Sequence[float]) -> float:
    """Average the losses weighted by the shares; a single loss is returned unchanged."""
    if len(losses) == 1:
        return losses[0]
    return sum(loss * share for loss, share in zip(losses, shares, strict=True))
