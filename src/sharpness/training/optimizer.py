"""A network and its optimizer: SGD with momentum, or SAM on top of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.modules.batchnorm import _BatchNorm

from sharpness.networks import build, initialise
from sharpness.training.checkpoint import State, load_strictly
from sharpness.training.hyperparameters import Purpose, torch_seed
from sharpness.training.task import Task

_TINY = 1e-12


@contextmanager
def ascended(parameters: list[Tensor], gradients: tuple[Tensor, ...], rho: float) -> Iterator[None]:
    """Weights at w + ρ g/‖g‖₂ for the length of a block (Foret et al., Eq. 2, p = 2).

    The norm is that of all gradients together. Afterwards the weights are bit for bit what they
    were.
    """
    before = [parameter.detach().clone() for parameter in parameters]
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    # The scale stays on the device: nothing waits for its value.
    ascent = torch._foreach_mul(gradients, rho / (norm + _TINY))
    with torch.no_grad():
        torch._foreach_add_(parameters, ascent)
    try:
        yield
    finally:
        with torch.no_grad():
            torch._foreach_copy_(parameters, before)


@contextmanager
def frozen_statistics(network: nn.Module) -> Iterator[None]:
    """BatchNorm normalizes by the batch, and its running statistics stay as they are.

    The statistics belong to the weights, not to the perturbed ones of the second pass.
    """
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


class Learner:
    """A network in training, with its momentum.

    Attributes:
        network: on the device.
        momentum: one tensor per parameter, in the parameters' order.
    """

    def __init__(self, task: Task, device: torch.device) -> None:
        """Draw the first weights, from the task's seed and index."""
        seed = torch_seed(task.seed, task.index, Purpose.WEIGHTS)
        network = build(task.architecture)
        initialise(network, torch.Generator().manual_seed(seed))
        # Convolutions are faster so, on a CPU by a fifth and on a GPU in mixed precision.
        self.network = network.to(device).to(memory_format=torch.channels_last)
        self._task = task
        self._device = device
        self._parameters: list[Tensor] = list(self.network.parameters())
        self.momentum = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._forward: Callable[[Tensor], Tensor] = self.network
        if task.settings.compile:
            self._forward = torch.compile(self.network, dynamic=False)

    def state(self, curve: list[dict[str, Any]]) -> State:
        """What resumes this training."""
        names = [name for name, _ in self.network.named_parameters()]
        momentum = dict(zip(names, self.momentum, strict=True))
        return State(self.network.state_dict(), momentum, curve)

    def resume(self, state: State, source: str) -> None:
        """Go back to a saved state."""
        load_strictly(self.network, state.weights, source)
        # Copied into place: the tensors of a file may be aligned otherwise, and sum otherwise.
        names = [name for name, _ in self.network.named_parameters()]
        for name, momentum in zip(names, self.momentum, strict=True):
            momentum.copy_(state.momentum[name])

    def step(self, inputs: Tensor, targets: Tensor, rate: float) -> tuple[Tensor, Tensor]:
        """One update of the weights.

        Args:
            inputs: (rows, c, h, w).
            targets: class numbers (rows,) or probabilities (rows, classes).
            rate: learning rate.

        Returns:
            The mean loss and the logits (rows, classes) before the update, on the device.
        """
        loss, logits, gradients = self._gradient(inputs, targets)
        rho = self._task.hyperparameters.sam_rho
        if rho > 0:
            with ascended(self._parameters, gradients, rho), frozen_statistics(self.network):
                _, _, gradients = self._gradient(inputs, targets)
        with torch.no_grad():
            torch._foreach_mul_(self.momentum, self._task.settings.momentum)
            torch._foreach_add_(self.momentum, gradients)
            torch._foreach_add_(self._parameters, self.momentum, alpha=-rate)
        return loss, logits

    def _gradient(
        self, inputs: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        mixed = self._task.settings.precision == "bfloat16"
        with torch.autocast(self._device.type, torch.bfloat16, enabled=mixed):
            logits = self._forward(inputs)
            loss = cross_entropy(logits, targets)
        gradients = torch.autograd.grad(loss, self._parameters)
        return loss.detach(), logits.detach(), gradients
