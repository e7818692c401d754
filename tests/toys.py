"""Models whose sharpness is known, and what tests of the measures share."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from itertools import product
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sharpness.data.batches import Inputs
from sharpness.measures.definition import Definition
from sharpness.measures.network import Network

RESNET = {"name": "preact-resnet", "width": 8, "blocks": [1, 1], "in_channels": 1, "classes": 10}
VIT = {
    "name": "simple-vit",
    "image_size": 8,
    "patch_size": 4,
    "dim": 16,
    "depth": 1,
    "heads": 2,
    "dim_head": 8,
    "mlp_dim": 24,
    "in_channels": 1,
    "classes": 10,
}
PRETRAINED_VIT: dict[str, Any] = {
    "name": "vit",
    "image_size": 12,
    "patch_size": 4,
    "dim": 12,
    "depth": 2,
    "heads": 3,
    "mlp_dim": 17,
    "classes": 5,
}
CLIP: dict[str, Any] = {**PRETRAINED_VIT, "name": "clip-vit", "heads": 2, "embedding": 7}

Batches = list[tuple[Tensor, Tensor]]

STANDARD_L2 = Definition("worst", "l2", adaptive=False, logit_norm=False)
SHAPES = [(norm, adaptive) for norm, adaptive in product(("l2", "linf"), (False, True))]


def mean_output(outputs: Tensor, targets: Tensor) -> Tensor:
    """A loss that is the model's own output."""
    return outputs.mean()


def one_point(scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """A batch for models that ignore their inputs but for a factor."""
    return torch.full((1, 1), scale, dtype=torch.float64), torch.zeros(1)


def counted(model: nn.Module) -> dict[str, int]:
    """How many forward and backward passes the model has seen; it keeps counting."""
    passes = {"forward": 0, "backward": 0}

    def count(module: nn.Module, inputs: object, outputs: Tensor) -> None:
        passes["forward"] += 1
        if outputs.requires_grad:
            outputs.register_hook(lambda gradient: passes.update(backward=passes["backward"] + 1))

    model.register_forward_hook(count)
    return passes


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all tensors that are alive inside the block.

    Attributes:
        now: bytes alive.
        peak: the most that were alive at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: dict[int, Any] = {}

    def __torch_dispatch__(
        self, operator: Any, types: Any, arguments: Any = (), keywords: Any = None
    ) -> Any:
        outputs = operator(*arguments, **(keywords or {}))
        for tensor in tree_leaves(outputs):
            if isinstance(tensor, Tensor):
                self._see(tensor.untyped_storage())
        return outputs

    def _see(self, storage: torch.UntypedStorage) -> None:
        name, size = storage._cdata, storage.nbytes()
        if name in self._known:
            return

        def freed(_: object) -> None:
            self.now -= size
            self._known.pop(name, None)

        self._known[name] = weakref.ref(storage, freed)
        self.now += size
        self.peak = max(self.peak, self.now)


class Words(nn.Module):
    """A classifier of token sequences with keyword inputs and an output that has logits."""

    def __init__(self, vocabulary: int = 12, classes: int = 3) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.embedding = nn.Embedding(vocabulary, 4).double()
            self.head = nn.Linear(4, classes).double()

    def forward(self, *, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        mask = attention_mask[..., None]
        mean = (self.embedding(input_ids).tanh() * mask).sum(dim=1) / mask.sum(dim=1)
        return SimpleNamespace(logits=self.head(mean))


def sentences(n: int, words: int, seed: int) -> tuple[dict[str, Tensor], Tensor]:
    """Sequences of 5 of the first ``words`` tokens, the last two sometimes masked; labels of 3."""
    stream = torch.Generator().manual_seed(seed)
    mask = torch.ones(n, 5, dtype=torch.int64)
    mask[::2, 3:] = 0
    tokens = torch.randint(words, (n, 5), generator=stream)
    labels = torch.randint(3, (n,), generator=stream)
    return {"input_ids": tokens, "attention_mask": mask}, labels


class Surface(nn.Module, ABC):
    """A function of the weights, times the input; the weights come in two pieces."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        split = len(weights) // 2
        self.first = nn.Parameter(weights[:split].clone().reshape(1, -1))
        self.second = nn.Parameter(weights[split:].clone())

    @abstractmethod
    def height(self, w: Tensor) -> Tensor:
        """The surface at ``w``, a scalar."""

    def forward(self, x: Tensor) -> Tensor:
        return x * self.height(torch.cat([self.first.flatten(), self.second]))


class Linear(Surface):
    """⟨g, w⟩."""

    def __init__(self, weights: Tensor, slope: Tensor) -> None:
        super().__init__(weights)
        self.slope = slope

    def height(self, w: Tensor) -> Tensor:
        return self.slope @ w


class Quadratic(Surface):
    """½ (w − w₀)ᵀ H (w − w₀) with its minimum at the weights."""

    def __init__(self, weights: Tensor, hessian: Tensor) -> None:
        super().__init__(weights)
        self.minimum, self.hessian = weights.clone(), hessian

    def height(self, w: Tensor) -> Tensor:
        return (w - self.minimum) @ self.hessian @ (w - self.minimum) / 2


class Waves(Surface):
    """A sum of sines: many maxima, so that step sizes are halved and iterates restart."""

    def __init__(self, weights: Tensor, seed: int) -> None:
        super().__init__(weights)
        self.frequencies = normal(6, len(weights), seed=seed)

    def height(self, w: Tensor) -> Tensor:
        return torch.sin(3 * self.frequencies @ w).sum()


def outputs_at(network: Network, weights: Tensor, inputs: Inputs) -> Tensor:
    """The model's outputs at other weights."""
    with network.at(weights) as outputs_of:
        return outputs_of(inputs)


def normal(*shape: int, seed: int) -> Tensor:
    """Standard normal numbers in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def positive_definite(size: int, seed: int) -> Tensor:
    """A random symmetric positive definite matrix."""
    root = normal(size, size, seed=seed)
    return root @ root.T / size + 0.1 * torch.eye(size, dtype=torch.float64)


def flat(model: nn.Module) -> Tensor:
    """All weights of a model in one vector."""
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def fit(network: nn.Module, images: Tensor, labels: Tensor, steps: int) -> nn.Module:
    """The network after a short training, in evaluation mode."""
    generator = torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    network.train()
    for _ in range(steps):
        batch = torch.randint(len(images), (64,), generator=generator)
        loss = cross_entropy(network(images[batch]), labels[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval()


def smooth_network(seed: int, hidden: int = 4) -> nn.Module:
    """A classifier of 3 inputs and 3 classes with smooth activations, in float64."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = nn.Linear(3, hidden), nn.Tanh(), nn.Linear(hidden, 3)
        return nn.Sequential(*layers).double()


def noisy_points(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Inputs (n, 3) in float64 with random labels, which no network fits without error."""
    labels = torch.randint(3, (n,), generator=torch.Generator().manual_seed(seed))
    return normal(n, 3, seed=seed), labels
