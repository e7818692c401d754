"""A network in training: SGD with momentum, optionally with SAM."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.modules.batchnorm import _BatchNorm

from sharpness.networks import build, initialise
from sharpness.training.checkpoint import State, load_strictly
from sharpness.training.hyperparameters import Purpose, torch_seed
from sharpness.training.records import Task

_TINY = 1e-12


@contextmanager
def perturbed_weights(
    parameters: list[Tensor], gradients: tuple[Tensor, ...], rho: float
) -> Iterator[None]:
    """Hold the weights at w + ρ g/‖g‖₂ inside the block (Foret et al., Eq. 2, p = 2).

    The norm is that of all gradients together. The weights are restored bit for bit.
    """
    before = [parameter.detach().clone() for parameter in parameters]
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    # The scale stays on the device, so that nothing waits for a transfer.
    ascent = torch._foreach_mul(gradients, rho / (norm + _TINY))
    with torch.no_grad():
        torch._foreach_add_(parameters, ascent)
    try:
        yield
    finally:
        with torch.no_grad():
            torch._foreach_copy_(parameters, before)


@contextmanager
def frozen_statistics(norms: Sequence[_BatchNorm]) -> Iterator[None]:
    """Normalize by the batch in BatchNorm layers without updating their running statistics.

    The statistics belong to the weights, not to the perturbed ones of SAM's second pass.
    """
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


def initial_network(seed: int, index: int, architecture: Mapping[str, Any]) -> nn.Module:
    """Build the network from which a training starts, its weights drawn from seed and index."""
    network = build(architecture)
    drawn = torch_seed(seed, index, Purpose.WEIGHTS)
    initialise(network, torch.Generator().manual_seed(drawn))
    return network


class Learner:
    """A network in training, with its momentum, one tensor per parameter in the same order."""

    def __init__(self, task: Task, device: torch.device) -> None:
        """Build the network with the initial weights of the task."""
        network = initial_network(task.seed, task.index, task.architecture)
        # Faster convolutions: on a CPU by a fifth, and on a GPU in mixed precision.
        self.network = network.to(device).to(memory_format=torch.channels_last)
        self._task = task
        self._device = device
        self._parameters: list[Tensor] = list(self.network.parameters())
        self._norms = [
            m for m in self.network.modules() if isinstance(m, _BatchNorm) and m.track_running_stats
        ]
        self.momentum = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._forward: Callable[[Tensor], Tensor] = self.network
        if task.settings.compile:
            self._forward = torch.compile(self.network, dynamic=False)

    def state(self, curve: list[dict[str, Any]]) -> State:
        """Return the state from which this training can be resumed."""
        names = [name for name, _ in self.network.named_parameters()]
        momentum = dict(zip(names, self.momentum, strict=True))
        return State(self.network.state_dict(), momentum, curve)

    def resume(self, state: State, source: str) -> None:
        """Restore a saved state."""
        load_strictly(self.network, state.weights, source)
        # Copied into place: tensors of a file may be aligned otherwise, and sums round otherwise.
        names = [name for name, _ in self.network.named_parameters()]
        for name, momentum in zip(names, self.momentum, strict=True):
            momentum.copy_(state.momentum[name])

    def step(self, inputs: Tensor, targets: Tensor, rate: float) -> tuple[Tensor, Tensor]:
        """Update the weights once; return the mean loss and the logits before it, on the device.

        Inputs are (rows, c, h, w), targets class numbers (rows,) or probabilities (rows, classes),
        logits (rows, classes). ``rate`` is the learning rate.
        """
        loss, logits, gradients = self._gradient(inputs, targets)
        rho = self._task.hyperparameters.sam_rho
        if rho > 0:
            with (
                perturbed_weights(self._parameters, gradients, rho),
                frozen_statistics(self._norms),
            ):
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
