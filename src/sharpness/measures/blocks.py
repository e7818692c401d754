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
class Heads:
    """One attention: queries, keys and values, weight and bias of its output, and its heads."""

    parts: tuple[Part, Part, Part]
    out: nn.Parameter
    out_bias: nn.Parameter | None
    heads: int


def attention_pairs(network: Network, folded: bool = False) -> list[Pairs]:
    """Return the pairs of all attention heads, those of one shape together.

    ``folded`` leaves out the biases that `folding` has made 0.

    Raises:
        NotApplicable: if the model has no attention of a known layout, or if only some of its
            weights are perturbed.
    """
    groups: dict[tuple[int, ...], list[tuple[Tensor, Tensor]]] = defaultdict(list)
    for name, attention in attentions(network.model):
        moved = (False, folded, folded and attention.out_bias is not None)
        q, k, v = (
            _part(network, part, name, without)
            for part, without in zip(attention.parts, moved, strict=True)
        )
        out = index_of(network, attention.out, name)
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


def _part(network: Network, part: Part, name: str, without_bias: bool) -> Tensor:
    """Return the positions of [W; bᵀ], inputs (and 1) × outputs, of one part of a layer."""
    weight, _, number, of = part
    index = index_of(network, weight, name).chunk(of)[number].T
    bias = part_bias(network, part, name)
    return index if bias is None or without_bias else torch.cat([index, bias[None]])


def part_bias(network: Network, part: Part, name: str) -> Tensor | None:
    """Return the positions of the bias of one part of a layer, (outputs,); None without a bias."""
    _, bias, number, of = part
    return None if bias is None else index_of(network, bias, name).chunk(of)[number]


def index_of(network: Network, parameter: nn.Parameter, name: str) -> Tensor:
    """Return the positions of a parameter of the layer ``name``, shaped as it.

    Raises:
        NotApplicable: if it is not perturbed.
    """
    found = network.positions(parameter)
    if found is None:
        raise NotApplicable(f"{name}: not all of its weights are perturbed")
    return found


def _by_head(index: Tensor, heads: int) -> Tensor:
    """Split the columns, (rows, heads · h), into (heads, rows, h)."""
    return torch.stack(index.chunk(heads, dim=1))


def attentions(model: nn.Module) -> Iterator[tuple[str, Heads]]:
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


def _fused(weight: Any, bias: Any, out: Any, heads: Any) -> Heads:
    """Return an attention with one layer for queries, keys and values."""
    q, k, v = ((weight, bias, third, 3) for third in range(3))
    return Heads((q, k, v), out.weight, out.bias, heads)


def _separate(layers: Any, output: Any) -> Heads:
    """Return the attention of transformers' BERT, with a layer each for queries, keys, values."""
    three = layers.query, layers.key, layers.value
    q, k, v = ((layer.weight, layer.bias, 0, 1) for layer in three)
    out = output.dense
    return Heads((q, k, v), out.weight, out.bias, layers.num_attention_heads)
