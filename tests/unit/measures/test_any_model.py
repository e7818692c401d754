"""Any model: compositions of layers, wrappers, types and batches against a plain re-implementation.

The reference is the same function in float64, with its weights put in by ``functional_call`` on a
copy that no wrapper touches.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch
from algorithm_1 import algorithm_1
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint
from toys import flat

from sharpness import Definition, sharpness
from sharpness.measures.ball import NORMS, noise_generator
from sharpness.measures.objective import normalized

WIDTH, CLASSES, EXAMPLES = 6, 3, 5


class Reshaped(nn.Module):
    """A layer of sequences on features: three steps of two numbers."""

    def __init__(self, inner: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.inner, self.shape = inner, shape

    def forward(self, x: Tensor) -> Tensor:
        outputs = self.inner(x.reshape(len(x), *self.shape))
        outputs = outputs[0] if isinstance(outputs, tuple) else outputs
        return outputs.reshape(len(x), -1)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.GELU())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.TransformerEncoderLayer(2, 1, 4, dropout=0.1, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x.reshape(len(x), 3, 2)).reshape(len(x), -1)


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(WIDTH, WIDTH),
    "bottleneck": lambda: nn.Sequential(nn.Linear(WIDTH, 2), nn.Linear(2, WIDTH, bias=False)),
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "prelu": nn.PReLU,
    "layer norm": lambda: nn.LayerNorm(WIDTH),
    "group norm": lambda: nn.GroupNorm(2, WIDTH),
    "batch norm": lambda: nn.BatchNorm1d(WIDTH),
    "dropout": lambda: nn.Dropout(0.5),
    "convolution": lambda: Reshaped(nn.Conv1d(2, 2, 3, padding=1), (2, 3)),
    "lstm": lambda: Reshaped(nn.LSTM(2, 2, batch_first=True), (3, 2)),
    "gru": lambda: Reshaped(nn.GRU(2, 2, batch_first=True), (3, 2)),
    "weight norm": lambda: nn.utils.parametrizations.weight_norm(nn.Linear(WIDTH, WIDTH)),
    "residual": Residual,
    "attention": Attention,
}


class Checkpointed(nn.Module):
    """Recomputes the activations in the backward pass, in evaluation mode too."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Any:
        return checkpoint(self.inner, x, use_reentrant=False)


class Untidy(nn.Module):
    """Caches its outputs, counts, writes to a buffer and holds what cannot be copied."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.lock, self.seen = inner, threading.Lock(), [0]
        self.register_buffer("mean", torch.zeros(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        assert isinstance(self.mean, Tensor)
        with self.lock:
            self.seen[0] += 1
            self.mean.add_(x.mean(0).to(self.mean))
            self.outputs = self.inner(x + self.mean * (self.seen[0] - 1))
        return self.outputs


class Captured(nn.Module):
    """Its head is held in a list, outside the tree of modules."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.weights = [inner[-1].weight, inner[-1].bias]  # type: ignore[index]

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(self.inner[:-1](x), *self.weights)  # type: ignore[index]


@dataclass
class Output:
    scores: Tensor
    note: str = "no tensor"


class Wrapped(nn.Module):
    def __init__(self, inner: nn.Module, wrap: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.inner, self.wrap = inner, wrap

    def forward(self, x: Tensor) -> Any:
        return self.wrap(self.inner(x))


class Named(nn.Module):
    """A model whose only argument can be given by name."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Any:
        return self.inner(x)


def patched(model: nn.Module) -> nn.Module:
    """The forward is replaced by a closure over the old one."""
    old = model.forward
    model.forward = lambda x: old(x)  # type: ignore[method-assign]
    return model


def hooked(model: nn.Module) -> nn.Module:
    """A hook that closes over a layer computes its weight, as the older weight_norm does."""
    head = model[-1]  # type: ignore[index]
    bias = head._parameters.pop("bias")
    head.register_parameter("weight_raw", head._parameters.pop("weight"))
    head.register_parameter("bias", bias)

    def compute(*_: object) -> None:
        head.weight = head.weight_raw * 1.0

    compute()
    model.register_forward_pre_hook(compute)
    return model


WRAPPERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "none": lambda model: model,
    "DataParallel": nn.DataParallel,
    "checkpoint": Checkpointed,
    "untidy": Untidy,
    "captured": Captured,
    "patched": patched,
    "hooked": hooked,
    "dict": partial(Wrapped, wrap=lambda o: {"logits": o, "hidden": o}),
    "tuple": partial(Wrapped, wrap=lambda o: (o, None)),
    "dataclass": partial(Wrapped, wrap=Output),
    "frozen": lambda model: model.requires_grad_(False),
    "training": lambda model: model.train(),
    "twice": lambda model: nn.Sequential(model, nn.Identity(), nn.Sequential()),
}
BATCHES: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "pair": lambda x, y: [(x, y)],
    "list": lambda x, y: [[x, y]],
    "iterator": lambda x, y: iter([(x, y)]),
    "labels inside": lambda x, y: [{"x": x, "labels": y}],
    "arguments": lambda x, y: [((x,), y)],
}


def network(names: list[str], seed: int) -> nn.Sequential:
    """The layers between a first and a last linear one, with statistics and scales drawn."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = nn.Sequential(*(LAYERS[name]() for name in names), nn.Linear(WIDTH, CLASSES))
        for buffer in model.buffers():
            if buffer.is_floating_point():
                buffer.uniform_(0.5, 1.5)
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.data.uniform_(0.2, 1.2)
        return model.eval()


def points(seed: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    stream = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (EXAMPLES,), generator=stream)
    return torch.randn(EXAMPLES, WIDTH, generator=stream).to(dtype), labels


def loss_of(
    model: nn.Module, batch: tuple[Tensor, Tensor], scale: Any
) -> Callable[[Tensor], Tensor]:
    """The loss as a function of flat weights in float64."""
    plain = copy.deepcopy(model).double().eval()
    sizes = [p.numel() for p in plain.parameters()]

    def loss(weights: Tensor) -> Tensor:
        pieces = zip(plain.named_parameters(), weights.split(sizes), strict=True)
        state = {name: piece.view(value.shape) for (name, value), piece in pieces}
        with nn.attention.sdpa_kernel(nn.attention.SDPBackend.MATH):
            outputs = torch.func.functional_call(plain, state, (batch[0].double(),))
        return cross_entropy(normalized(outputs, scale), batch[1])

    return loss


def average(
    loss: Callable[[Tensor], Tensor], weights: Tensor, norm: str, adaptive: bool, radius: float
) -> float:
    """Eq. 1 with three draws, the noise in the type of the weights."""
    c = weights.abs() if adaptive else torch.ones_like(weights)
    found = []
    for draw in range(3):
        noise = NORMS[norm].noise(weights, noise_generator(weights.device, 0, 0, draw))
        found.append(loss((weights + radius * c * noise).double()) - loss(weights.double()))
    return float(torch.stack(found).mean())


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from(sorted(LAYERS)), min_size=1, max_size=4),
    st.sampled_from(sorted(WRAPPERS)),
    st.sampled_from(sorted(BATCHES)),
    st.sampled_from([torch.float32, torch.float64]),
    st.sampled_from(["l2", "linf"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, 1, 2]),
    st.integers(0, 100),
)
def test_any_model_has_the_value_of_a_plain_reimplementation(
    layers: list[str],
    wrapper: str,
    batches: str,
    dtype: torch.dtype,
    norm: str,
    adaptive: bool,
    logit_norm: bool,
    micro_batch: int | None,
    seed: int,
) -> None:
    plain = network(layers, seed).to(dtype)
    batch = points(seed, dtype)
    weights, radius = flat(plain), 0.05
    loss = loss_of(plain, batch, "rms" if logit_norm else None)
    model = Named(WRAPPERS[wrapper](copy.deepcopy(plain)))
    state = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    flags = [parameter.requires_grad for parameter in model.parameters()]
    measure = partial(sharpness, model, radius=radius, micro_batch=micro_batch)

    shape: Any = (norm, adaptive, logit_norm)
    found = measure(BATCHES[batches](*batch), Definition("average", *shape), samples=3)
    tolerance = {"rel": 1e-2, "abs": 2e-5} if dtype is torch.float32 else {"rel": 1e-7, "abs": 1e-9}
    assert found.value == pytest.approx(average(loss, weights, norm, adaptive, radius), **tolerance)
    if dtype is torch.float64:
        expected, _ = algorithm_1(loss, (norm, adaptive), weights, radius, 3)
        worst = measure(BATCHES[batches](*batch), Definition("worst", *shape), steps=3)
        assert worst.value == pytest.approx(expected, rel=1e-6, abs=1e-9)

    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert [parameter.requires_grad for parameter in model.parameters()] == flags
    assert all(isinstance(parameter, nn.Parameter) for parameter in model.parameters())
