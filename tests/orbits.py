"""Changes of weights that leave a function as it is, and a network that has all of them."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn
from toys import Batches, normal

from sharpness.measures.blocks import attention_pairs
from sharpness.measures.network import Network
from sharpness.networks.simple_vit import Attention


class Everything(nn.Module):
    """Attention after a LayerNorm, then a ReLU network without biases."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(3)
            self.attention = Attention(6, 2, 3)
            self.attention.to_qkv, self.attention.to_out = nn.Linear(6, 18), nn.Linear(6, 6)
            self.hidden = nn.Linear(6, 5, bias=False)
            self.head = nn.Linear(5, 3, bias=False)
            self.double()
            for index, parameter in enumerate(self.parameters()):
                parameter.data += 0.3 * normal(*parameter.shape, seed=index)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(x)
        return self.head(self.hidden(x.mean(dim=1)).relu())


def tokens(model: nn.Module) -> Batches:
    """A batch of sequences of four tokens, with the classes that the model gives them."""
    inputs = normal(12, 4, 6, seed=0)
    return [(inputs, model(inputs).argmax(dim=1))]


def _layers(model: Everything) -> None:
    model.hidden.weight *= 3
    model.head.weight /= 3


def _neurons(model: Everything) -> None:
    factor = torch.tensor([0.2, 5.0, 1.0, 3.0, 0.5], dtype=torch.float64)
    model.hidden.weight *= factor[:, None]
    model.head.weight /= factor


def _layer_norm(model: Everything) -> None:
    factor = torch.tensor([0.2, 5.0, 1.0, 3.0, 0.5, 2.0], dtype=torch.float64)
    model.attention.norm.weight *= factor
    model.attention.norm.bias *= factor
    model.attention.to_qkv.weight /= factor


def _biases(model: Everything) -> None:
    _, k, v = model.attention.to_qkv.bias.chunk(3)
    shift = normal(6, seed=8)
    k += normal(6, seed=7)
    v += shift
    model.attention.to_out.bias -= model.attention.to_out.weight @ shift


def _softmax(model: Everything) -> None:
    model.head.weight += normal(5, seed=9)


def regauge(model: nn.Module, seed: int, condition: float = 1e3) -> None:
    """(G, H) → (G A⁻¹, H Aᵀ) in each head, in place; A has singular values 1/√κ … √κ."""
    network = Network(model)
    weights = network.weights.double()
    for number, pair in enumerate(attention_pairs(network)):
        blocks, _, h = pair.G.shape
        left, right = (
            torch.linalg.qr(normal(blocks, h, h, seed=1000 * seed + 10 * number + side))[0]
            for side in range(2)
        )
        s = torch.logspace(-0.5, 0.5, h, base=condition, dtype=torch.float64)
        A = left * s @ right
        weights[pair.G] = weights[pair.G] @ torch.linalg.inv(A)
        weights[pair.H] = weights[pair.H] @ A.mT
    network.move_to(weights.to(network.weights))


SYMMETRIES: dict[str, Callable[..., None]] = {
    "layers": _layers,
    "neurons": _neurons,
    "layer norm": _layer_norm,
    "heads": lambda model: regauge(model, seed=0),
    "biases": _biases,
    "softmax": _softmax,
}
"""What `registry.SYMMETRIES` names, each by one change in place."""


def changed(model: nn.Module, symmetry: str) -> nn.Module:
    """A copy of the model, elsewhere on the orbit."""
    copy = deepcopy(model)
    with torch.no_grad():
        SYMMETRIES[symmetry](copy)
    return copy
