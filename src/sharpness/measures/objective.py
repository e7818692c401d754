"""Loss of one batch as a function of one flat vector of weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from sharpness.data.batches import Batch, split_batch, to_device
from sharpness.io.errors import UserError, described
from sharpness.measures.arguments import check_count, check_kind
from sharpness.measures.network import SMALL, Network

Loss = Callable[[Tensor, Tensor], Tensor]
"""(outputs, targets) → a scalar that is the mean over examples of a loss of each example."""
LogitScale = Literal["rms", "norm"] | None


def normalized(logits: Tensor, scale: LogitScale) -> Tensor:
    """Normalize logits (n, K, ...) so that the scale of the last layer does not matter (Eq. 5).

    The classes are axis 1, as ``cross_entropy`` has it.
    A constant logit vector, for which Eq. 5 is 0/0, keeps its scale. A ``scale`` of None leaves the
    logits alone; "rms" divides them by the root mean square of the centred logits (Eq. 5); "norm"
    centres and divides by the ℓ2 norm (the released code), which gives logits smaller by √K.

    Raises:
        UserError: if the outputs have no axis of classes.
    """
    if scale is None:
        return logits
    if scale not in ("rms", "norm"):
        raise UserError(f"the scale of the logits is {scale!r}; it is None, 'rms' or 'norm'")
    if logits.ndim < 2 or logits.shape[1] < 2:
        raise UserError(
            f"outputs of shape {tuple(logits.shape)} have no axis of classes (axis 1), so logits "
            "cannot be normalized; measure definitions without logit normalization"
        )
    centred = logits - logits.mean(dim=1, keepdim=True)
    if scale == "norm":
        return centred / centred.norm(dim=1, keepdim=True).clamp_min(1e-10)
    variance = centred.square().mean(dim=1, keepdim=True)
    rounding = (8 * torch.finfo(logits.dtype).eps) ** 2 * logits.square().mean(1, keepdim=True)
    # The constant is chosen before the square root, whose derivative at zero is infinite.
    return logits / torch.where(variance > rounding, variance, 1.0).sqrt()


def counted(loss: Loss, targets: Tensor) -> float:
    """Return the number that a loss divides by, so that means over pieces can be combined.

    It is the number of examples, except for the cross-entropy of class numbers, which leaves out
    those equal to ``ignore_index`` and weights the others by class.
    """
    options = _entropy_options(loss)
    if options is None or targets.is_floating_point():
        return len(targets)
    ignored, weight = options
    kept = targets[targets != ignored].long()
    if weight is None:
        return len(kept) * len(targets) / targets.numel()
    with described("the loss, of targets beyond its class weights,"):
        return float(weight.to(kept.device)[kept].sum(dtype=torch.float64))


def _entropy_options(loss: Loss) -> tuple[int, Tensor | None] | None:
    """Return ``ignore_index`` and ``weight`` of a mean cross-entropy; None for another loss."""
    if isinstance(loss, nn.CrossEntropyLoss | nn.NLLLoss):
        return loss.ignore_index, loss.weight
    keywords: dict[str, Any] = {}
    if isinstance(loss, partial) and not loss.args:
        keywords, loss = loss.keywords, loss.func
    if loss in (functional.cross_entropy, functional.nll_loss):
        return keywords.get("ignore_index", -100), keywords.get("weight")
    return None


class Objective:
    """Loss L_S(w) of one batch S of m ``examples``.

    A batch may go through the network in ``pieces``, which takes less memory. L is a mean over
    what the loss counts, so the losses and gradients of the pieces, weighted by their shares, add
    up to those of the whole batch, up to rounding.
    """

    def __init__(
        self, network: Network, batch: Batch, loss: Loss, micro_batch: int | None = None
    ) -> None:
        """Move the batch, (inputs, targets), to the device of the weights.

        ``loss`` is a mean over the examples. At most ``micro_batch`` examples take one pass; None
        is the whole batch.

        Raises:
            UserError: if the batch is empty, no target counts, or ``micro_batch`` is below 1.
        """
        if micro_batch is not None:
            check_count("micro_batch", micro_batch)
        check_kind("loss", loss, Callable, "a function of outputs and targets")  # type: ignore[arg-type]
        self.network, self.loss = network, loss
        batch = to_device(batch, network.weights.device)
        self.examples = len(batch[1])
        if not self.examples:
            raise UserError("a batch has no examples; leave it out")
        self.whole = batch
        pieces = split_batch(batch, micro_batch or self.examples)
        counts = [counted(loss, targets) for _, targets in pieces]
        if not sum(counts):
            raise UserError("a batch has no target that the loss counts; leave it out")
        self.pieces = [piece for piece, count in zip(pieces, counts, strict=True) if count]
        self._shares = [count / sum(counts) for count in counts if count]
        self._unperturbed: dict[LogitScale, float] = {}
        self._start: dict[tuple[LogitScale, bool], tuple[float, Tensor]] = {}

    def losses(
        self,
        weights: Tensor,
        scales: Sequence[LogitScale],
        coarse: bool = False,
        graph: bool = False,
        mixed: bool = False,
    ) -> list[float]:
        """Return L at ``weights`` for each logit scale, from one forward pass of each example.

        ``coarse`` is as in ``Network.at``. With ``graph`` the pass is that of ``loss_and_gradient``
        to the bit, whichever code a model has for passes without gradients; ``mixed`` is its own.
        """
        found = []
        for inputs, targets in self.pieces:
            with (
                torch.set_grad_enabled(graph),
                self.network.at(weights, coarse, once=True, mixed=mixed) as outputs_of,
            ):
                outputs = outputs_of(inputs)
                found.append([mean_loss(self.loss, outputs, targets, s).item() for s in scales])
                del outputs  # frees its graph before the next piece makes one
        return [_mean(losses, self._shares) for losses in zip(*found, strict=True)]

    @torch.no_grad()
    def outputs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the outputs and targets of each piece, at the model's own weights."""
        for inputs, targets in self.pieces:
            with self.network.at(self.network.weights) as outputs_of:
                found = outputs_of(inputs).clone()
            yield found, targets

    @torch.enable_grad()
    def loss_and_gradient(
        self,
        weights: Tensor | Callable[[], Tensor],
        scale: LogitScale,
        coarse: bool = False,
        mixed: bool = False,
    ) -> tuple[float, Tensor]:
        """Return L and ∇L (p,) at ``weights``, by one forward and backward pass of each example.

        A function that makes the weights takes less memory: they are freed before the gradient is
        made. ``coarse`` is as in ``Network.at``, ``mixed`` as in ``Network.add_gradient``: L does
        not depend on it.
        """
        made = weights if callable(weights) else lambda: weights
        losses: list[Tensor] = []
        total: Tensor | None = None
        for (inputs, targets), share in zip(self.pieces, self._shares, strict=True):
            with self.network.at(made(), coarse, once=True, mixed=mixed) as outputs_of:
                loss = mean_loss(self.loss, outputs_of(inputs), targets, scale)
                if total is None:  # after the first pass, when the weights are freed
                    total = torch.zeros_like(self.network.weights)
                self.network.add_gradient(total, loss, share, mixed)
                losses.append(loss.detach())
            del loss  # frees its graph before the next piece makes one
        assert total is not None
        return _mean(torch.stack(losses).tolist(), self._shares), total

    def start(self, scale: LogitScale, mixed: bool = False) -> tuple[float, Tensor]:
        """Return L and ∇L (p,) at the model's own weights, from one pass for all cells.

        Those of a large network, whose gradient of each batch would fill the memory, are not kept.
        """
        if (scale, mixed) in self._start:
            return self._start[scale, mixed]
        found = self.loss_and_gradient(self.network.weights, scale, mixed=mixed)
        if len(self.network.weights) <= SMALL:
            self._start[scale, mixed] = found
        return found

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


def mean_loss(loss: Loss, outputs: Tensor, targets: Tensor, scale: LogitScale) -> Tensor:
    """Return the loss of normalized outputs, in 32 bits or more.

    Raises:
        UserError: if it fails, or is no scalar.
    """
    if outputs.is_floating_point() and outputs.element_size() < 4:
        outputs = outputs.float()
    last = outputs.ndim > 2 and targets.shape == outputs.shape[:-1]
    if scale and last and targets.shape[1:] != outputs.shape[2:]:
        raise UserError(
            f"outputs of shape {tuple(outputs.shape)} have their classes on the last axis; logits "
            "are normalized over axis 1, as cross_entropy has it: move the classes there"
        )
    with described(
        f"the loss, of outputs {tuple(outputs.shape)} and targets {tuple(targets.shape)},"
    ):
        found = loss(normalized(outputs, scale), targets.clone())
    if not isinstance(found, Tensor) or found.numel() != 1:
        kind = (
            f"of shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        )
        raise UserError(f"the loss is {kind}; it must be a scalar, the mean over the examples")
    return found.reshape(())


def _mean(losses: Sequence[float], shares: Sequence[float]) -> float:
    """Average the losses weighted by the shares; a single loss is returned unchanged."""
    if len(losses) == 1:
        return losses[0]
    return sum(loss * share for loss, share in zip(losses, shares, strict=True))
