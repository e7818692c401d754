"""Model as a function of one flat vector of weights, by writing w + δ into its own parameters.

Writing in place is what makes the function right for any forward: shared layers, hooks that close
over a layer, patched forwards, and activation checkpointing, which reads the weights once more in
the backward pass. The price is that the model must be restored, which ``Network.at`` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from sharpness.data.batches import Inputs, call, is_dense, logits_of, map_tensors
from sharpness.io.errors import UserError, described
from sharpness.measures.arguments import check_kind
from sharpness.measures.mixed_precision import coarse_products
from sharpness.measures.parameters import Parameters, by_memory, chosen
from sharpness.measures.random_state import RandomState
from sharpness.measures.snapshot import Snapshot

SMALL = 2**20
"""Weights up to which a network is small: time counts, not the memory of another vector."""
COARSEST = 0.1
"""Largest error, relative to ‖δ‖₂, that rounding to the storage of the weights may make."""


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


class Network:
    """Model as a function (flat weights, inputs) → outputs.

    ``model`` is the model; ``weights`` is w, the perturbed parameters in the model's order, (p,),
    in float32 or wider; ``random`` are the random generators within the model's reach.
    """

    def __init__(
        self, model: nn.Module, parameters: Parameters = "all", compiled: bool = False
    ) -> None:
        """Read the weights and the state of ``model``; it is written only inside ``at``.

        ``compiled`` has passes that need no second derivative compiled, as `compilation` tells.

        Raises:
            UserError: if there is nothing to perturb, or something that cannot be perturbed.
        """
        check_kind("the model", model, nn.Module, "a torch.nn.Module")
        self.model = model = _without_inference_tensors(model)
        self._groups = by_memory(chosen(model, parameters), model.parameters())
        self._leaves = [parameter for group in self._groups for parameter in group]
        self._stored = [group[0].detach() for group in self._groups]
        self._written = [s.view(-1) if s.is_contiguous() else s for s in self._stored]
        self._sizes = [stored.numel() for stored in self._stored]
        double = any(stored.dtype is torch.float64 for stored in self._stored)
        self._wide = torch.float64 if double else torch.float32
        self.weights = self._flat(self._stored)
        self._compiled = _compiled_passes(model, self.weights.is_cuda) if compiled else {}
        self._coarse = any(stored.element_size() < 4 for stored in self._stored)
        self._recurrent = any(isinstance(module, nn.RNNBase) for module in model.modules())
        self._training = any(module.training for module in model.modules())
        self._perturbed = {id(leaf) for leaf in self._leaves}
        self._every = [(p, p.requires_grad, id(p) in self._perturbed) for p in model.parameters()]
        self._snapshot = Snapshot(model, self._stored)
        self.random = RandomState(self._snapshot.generators)
        if self._training:
            self._check_evaluation_mode()

    @contextmanager
    def at(
        self, weights: Tensor, coarse: bool = False, once: bool = False, mixed: bool = False
    ) -> Iterator[Callable[[Inputs], Tensor]]:
        """Hold ``weights`` (p,) in the model inside the block; yield inputs → outputs.

        The outputs, commonly logits (n, K), have gradients with respect to the parameters where
        gradients are enabled. Afterwards the model is as it was, whatever its forward did.
        ``coarse`` allows any rounding to the type in which the model stores its weights; ``once``
        says that no second derivative is taken; ``mixed`` is that of a following `add_gradient`.

        Raises:
            UserError: if that rounding changes the perturbation by more than ``COARSEST``.
        """
        if self._coarse and not coarse:
            self._check_storage(weights)
        try:
            evaluating = evaluation_mode(self.model) if self._training else nullcontext()
            same = _same_kernels(self._recurrent and weights.is_cuda)
            with evaluating, same, self.random.repeated():
                for parameter, _, wanted in self._every:
                    if parameter.requires_grad != wanted:
                        parameter.requires_grad_(wanted)
                self._write(weights)
                del weights  # frees them, unless the caller keeps them
                model = self._compiled.get(mixed, self.model) if once else self.model
                yield partial(self._outputs, model)
        finally:
            self._restore()

    def gradient(self, value: Tensor, *, twice: bool = False, keep: bool = False) -> Tensor:
        """Return the gradient (p,) of a scalar made inside ``at``.

        ``twice`` makes the gradient differentiable again; ``keep`` allows a further call.
        """
        if not value.requires_grad:
            return torch.zeros_like(self.weights)
        with described("the backward pass of the model"):
            found = torch.autograd.grad(
                value,
                self._leaves,
                create_graph=twice,
                retain_graph=twice or keep,
                allow_unused=True,
            )
        each = iter(found)
        return self._flat([_total(group, [next(each) for _ in group]) for group in self._groups])

    def add_gradient(self, total: Tensor, loss: Tensor, factor: float, mixed: bool = False) -> None:
        """Add the gradient (p,) of ``factor`` · ``loss``, made inside ``at``, to ``total``.

        In a large network each part is added as soon as it is known, and freed. ``mixed`` takes
        matrix products in bfloat16.
        """
        if not loss.requires_grad:
            return
        mixed = mixed and not self._compiled  # whose passes have their products in bfloat16
        products = coarse_products(self.weights.is_cuda) if mixed else nullcontext()
        if len(total) <= SMALL:
            with products:
                total.add_(self.gradient(factor * loss))
            return
        with described("the backward pass of the model"), products, ExitStack() as hooks:
            for part, group in zip(total.split(self._sizes), self._groups, strict=True):
                for leaf in group:
                    hook = partial(_added, part.view(leaf.shape))
                    hooks.enter_context(leaf.register_hook(hook))
            torch.autograd.grad(
                loss, self._leaves, torch.full_like(loss, factor), allow_unused=True
            )

    def holds(self, weights: Tensor) -> bool:
        """Return whether the model holds ``weights`` (p,) still, after a forward pass."""
        return torch.allclose(self._flat(self._stored), weights, rtol=0, atol=0, equal_nan=True)

    @property
    def scales_gradients(self) -> bool:
        """Whether the gradient of an embedding is divided by the frequencies of words."""
        return any(
            getattr(module, "scale_grad_by_freq", False)
            and id(getattr(module, "weight", None)) in self._perturbed
            for module in self.model.modules()
        )

    def positions(self, parameter: nn.Parameter) -> Tensor | None:
        """Return where the entries of a parameter are in ``weights``; None if it is not there."""
        start = 0
        for group, size in zip(self._groups, self._sizes, strict=True):
            if any(parameter is other for other in group):
                entries = torch.arange(start, start + size, device=self.weights.device)
                return entries.view(parameter.shape)
            start += size
        return None

    def move_to(self, weights: Tensor) -> None:
        """Make ``weights`` (p,) the model's own, for good."""
        self.weights = weights
        self._write(weights)

    def rounded(self, weights: Tensor) -> Tensor:
        """Return ``weights`` (p,) as the model stores them."""
        pieces = zip(weights.split(self._sizes), self._stored, strict=True)
        return self._flat([piece.to(stored.dtype) for piece, stored in pieces])

    def _flat(self, tensors: Sequence[Tensor]) -> Tensor:
        """Join one tensor for each parameter into one vector (p,)."""
        return torch.cat([tensor.flatten().to(self._wide) for tensor in tensors])

    @staticmethod
    def _outputs(model: Callable[..., Any], inputs: Inputs) -> Tensor:
        with described("the forward pass of the model"):
            # A forward may write to its inputs (ReLU in place).
            outputs = logits_of(call(model, map_tensors(torch.clone, inputs)))
        if not is_dense(outputs):
            raise UserError(
                "the model returns a sparse or nested tensor; wrap it so that it returns dense ones"
            )
        return outputs

    @torch.no_grad()
    def _write(self, weights: Tensor) -> None:
        pieces = zip(weights.split(self._sizes), self._written, strict=True)
        torch._foreach_copy_(
            self._written, [p if to.ndim == 1 else p.view(to.shape) for p, to in pieces]
        )
        torch.clear_autocast_cache()  # which holds the weights of before in 16 bits
        parametrize._cache.clear()  # which holds what was computed of them

    def _keep_memory(self) -> None:
        """Undo an assignment to ``data``, by which a forward gives a parameter other memory."""
        for group, stored in zip(self._groups, self._stored, strict=True):
            for parameter in group:
                if parameter.data_ptr() != stored.data_ptr():
                    parameter.data = stored

    def _restore(self) -> None:
        """Make the model what it was, whatever happened to it."""
        for parameter, flag, _ in self._every:
            if parameter.requires_grad != flag:
                parameter.requires_grad_(flag)
        self._keep_memory()
        self._write(self.weights)
        self._snapshot.restore()

    def _check_evaluation_mode(self) -> None:
        """Raise UserError if ``eval()`` changes weights, as merged adapters do."""
        try:
            with described("model.eval()"), evaluation_mode(self.model):
                changed = self._flat(self._stored).ne(self.weights) & self.weights.isfinite()
        finally:
            self._restore()
        if changed.any():
            raise UserError(
                "model.eval() changes the weights (it merges adapters, for example), so they are "
                "others than those in training mode; call model.eval() before measuring"
            )

    def _check_storage(self, weights: Tensor) -> None:
        change = (weights - self.weights).norm()
        error = (self.rounded(weights) - weights).norm()
        if error > COARSEST * change:
            types = {str(s.dtype).removeprefix("torch.") for s in self._stored}
            raise UserError(
                f"the weights are stored as {', '.join(sorted(types))}, whose rounding changes a "
                f"perturbation of this radius by {error / change:.0%}; use model.float()"
            )


def _compiled_passes(model: nn.Module, on_gpu: bool) -> dict[bool, Callable[..., Any]]:
    """Return the compiled model without and with ``mixed``; each compiles when it is called."""
    from sharpness.measures.compilation import compiled  # takes a second to import

    return {mixed: compiled(model, on_gpu, mixed) for mixed in (False, True)}


@contextmanager
def _same_kernels(recurrent_on_gpu: bool) -> Iterator[None]:
    """Have passes with and without gradients computed by the same code.

    Attention has a fast path without gradients, and cuDNN has no gradient of recurrent layers in
    evaluation mode.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.backends.cudnn.flags(enabled=False) if recurrent_on_gpu else nullcontext():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _without_inference_tensors(model: nn.Module) -> nn.Module:
    """Copy a model that was made in inference mode, whose weights cannot be written outside it."""
    tensors = [*model.parameters(), *model.buffers()]
    made = [tensor for tensor in tensors if not nn.parameter.is_lazy(tensor)]
    if not any(tensor.is_inference() for tensor in made):
        return model
    with described("copying the model, which was made in inference mode,"):
        return deepcopy(model)


@torch.no_grad()
def _added(total: Tensor, gradient: Tensor) -> Tensor:
    """Add a gradient to its place, and return one of its kind that takes no memory."""
    if gradient.is_sparse:
        total.add_(gradient.to_dense())
        return gradient
    total.add_(gradient)
    return gradient.new_zeros(()).expand(gradient.shape)


def _total(group: Sequence[nn.Parameter], found: Sequence[Tensor | None]) -> Tensor:
    """Add up the gradients of parameters that share memory; an unused one has none."""
    dense = [g.to_dense() if g.is_sparse else g for g in found if g is not None]
    return sum(dense[1:], dense[0]) if dense else torch.zeros_like(group[0])
