"""Where the weights of attention heads lie in the flat vector of weights.

Per head of width h, a transformer's function sees only G Hᵀ of two pairs: G = [W_Q; b_Qᵀ] and
H = [W_K; b_Kᵀ], and G = [W_V; b_Vᵀ] and H = W_Oᵀ restricted to the head, weights written as inputs
× outputs (da Silva et al., 2025, Example A.1). A linear layer stores outputs × inputs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sharpness.io.errors import UserError
from sharpness.measures.network import Network


class NotApplicable(UserError):
    """A measure that has no meaning for a model, which is no failure of either."""


@dataclass(frozen=True)
class Pairs:
    """Positions in the flat weights (p,) of pairs (G, H) of one shape.

    Attributes:
        G: (blocks, rows of G, h).
        H: (blocks, rows of H, h).
    """

    G: Tensor
    H: Tensor


Part = tuple[nn.Parameter, nn.Parameter | None, int, int]
"""Weight and bias of a linear layer, and which of how many equal parts of its outputs is meant."""


@dataclass(frozen=True)
class _Heads:
    """One attention: its queries, keys and values, the weight of its output, and its heads."""

    parts: tuple[Part, Part, Part]
    out: nn.Parameter
    heads: int


def attention_pairs(network: Network) -> list[Pairs]:
    """Return the pairs of all attention heads, those of one shape together.

    Raises:
        NotApplicable: if the model has no attention of a known layout, or if only some of its
            weights are perturbed.
    """
    groups: dict[tuple[int, ...], list[tuple[Tensor, Tensor]]] = defaultdict(list)
    for name, attention in _attentions(network.model):
        q, k, v = (_part(network, part, name) for part in attention.parts)
        out = _index(network, attention.out, name)
        rows = out.shape[1], q.shape[1], k.shape[1]
        if any(size != v.shape[1] for size in rows) or v.shape[1] % attention.heads:
            raise NotApplicable(f"{name}: queries, keys, values and output differ in width")
        pairs = ((q, k), (v, out))
        for G, H in ([_by_head(part, attention.heads) for part in pair] for pair in pairs):
            groups[(*G.shape[1:], *H.shape[1:])].append((G, H))
    if not groups:
        raise NotApplicable(
            "the model has no attention in the layout of timm, open_clip, transformers' BERT or "
            "vit-pytorch's SimpleViT"
        )
    return [Pairs(*map(torch.cat, zip(*found, strict=True))) for found in groups.values()]


def _part(network: Network, part: Part, name: str) -> Tensor:
    """Return the positions of [W; bᵀ], inputs (and 1) × outputs, of one part of a layer."""
    weight, bias, number, of = part
    index = _index(network, weight, name).chunk(of)[number].T
    if bias is None:
        return index
    return torch.cat([index, _index(network, bias, name).chunk(of)[number][None]])


def _index(network: Network, parameter: nn.Parameter, name: str) -> Tensor:
    found = network.positions(parameter)
    if found is None:
        raise NotApplicable(f"{name}: not all weights of the attention are perturbed")
    return found


def _by_head(index: Tensor, heads: int) -> Tensor:
    """Split the columns, (rows, heads · h), into (heads, rows, h)."""
    return torch.stack(index.chunk(heads, dim=1))


def _attentions(model: nn.Module) -> Iterator[tuple[str, _Heads]]:
    """Yield the attention layers of the four layouts by name."""
    for name, module in model.named_modules():
        inner, output = getattr(module, "self", None), getattr(module, "output", None)
        if isinstance(module, nn.MultiheadAttention) and module.in_proj_weight is not None:
            weight, bias = module.in_proj_weight, module.in_proj_bias
            yield name, _fused(weight, bias, module.out_proj, module.num_heads)
        elif _linear(module, "qkv", "proj") and hasattr(module, "num_heads"):
            yield name, _fused(module.qkv.weight, module.qkv.bias, module.proj, module.num_heads)
        elif _linear(module, "to_qkv", "to_out") and hasattr(module, "heads"):
            qkv = module.to_qkv
            yield name, _fused(qkv.weight, qkv.bias, module.to_out, module.heads)
        elif _linear(inner, "query", "key", "value") and _linear(output, "dense"):
            yield name, _separate(inner, output)


def _linear(module: Any, *names: str) -> bool:
    return all(isinstance(getattr(module, name, None), nn.Linear) for name in names)


def _fused(weight: Any, bias: Any, out: Any, heads: Any) -> _Heads:
    """Return an attention with one layer for queries, keys and values."""
    q, k, v = ((weight, bias, third, 3) for third in range(3))
    return _Heads((q, k, v), out.weight, heads)


def _separate(layers: Any, output: Any) -> _Heads:
    """Return the attention of transformers' BERT, with a layer each for queries, keys, values."""
    three = layers.query, layers.key, layers.value
    q, k, v = ((layer.weight, layer.bias, 0, 1) for layer in three)
    return _Heads((q, k, v), output.dense.weight, layers.num_attention_heads)
