"""Folding: what a LayerNorm and the biases of attention do, done by the next layer alone.

Gain g and bias b of a LayerNorm before a linear layer (W, β) act as W diag(g) and β + W b, b_V as
b_O + W_O b_V, and b_K not at all, so that any share of them can be moved over. Folded models have
moved all: g = 1, b = 0, b_V = 0 and b_K = 0, which stay so. Where a linear layer has no bias, b / g
remains for the LayerNorm. Folding is ours (measures of da Silva et al., 2025, see such shares).

The LayerNorms are those of networks that have it before attention and MLP; of the others, such as
BERT, only the biases of attention fold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sharpness.measures.blocks import attentions, index_of, part_bias
from sharpness.measures.network import Network

_FOLLOWED = (
    ("norm1", "attn.qkv.weight", "attn.qkv.bias"),  # timm
    ("norm2", "mlp.fc1.weight", "mlp.fc1.bias"),
    ("norm", "head.weight", "head.bias"),
    ("fc_norm", "head.weight", "head.bias"),
    ("ln_1", "attn.in_proj_weight", "attn.in_proj_bias"),  # open_clip
    ("ln_2", "mlp.c_fc.weight", "mlp.c_fc.bias"),
    ("ln_post", "proj", ""),
    ("norm", "to_qkv.weight", "to_qkv.bias"),  # vit-pytorch's SimpleViT
    ("0", "1.weight", "1.bias"),
)
"""Attributes of one module: a LayerNorm, and weight and bias of the linear layer after it."""


@dataclass(frozen=True)
class _Norm:
    """Positions in the flat weights (p,) of a LayerNorm and the linear layer after it.

    Attributes:
        gain: (d,).
        bias: (d,), or None.
        weight: (outputs, d).
        beta: (outputs,), or None.
    """

    gain: Tensor
    bias: Tensor | None
    weight: Tensor
    beta: Tensor | None


def fold(network: Network) -> tuple[Tensor, Tensor]:
    """Return the folded weights, and where gains are, which are never perturbed, both (p,).

    What has become 0 needs no mark: c is 0 there. A gain of 0 cannot be folded away from a bias
    that stays; the weights then are not finite.

    Raises:
        NotApplicable: if only some of these weights are perturbed.
    """
    weights = network.weights.to(torch.float64, copy=True)
    frozen = torch.zeros_like(weights, dtype=torch.bool)
    for norm in _norms(network):
        gain = weights[norm.gain]
        if norm.bias is not None and norm.beta is not None:
            weights[norm.beta] += weights[norm.weight] @ weights[norm.bias]
            weights[norm.bias] = 0.0
        elif norm.bias is not None:
            weights[norm.bias] /= gain
        weights[norm.weight] *= gain
        weights[norm.gain] = 1.0
        frozen[norm.gain] = True
    for name, attention in attentions(network.model):
        _, k, v = (part_bias(network, part, name) for part in attention.parts)
        if k is not None:
            weights[k] = 0.0
        if v is not None and attention.out_bias is not None:
            out, bias = (index_of(network, p, name) for p in (attention.out, attention.out_bias))
            weights[bias] += weights[out] @ weights[v]
            weights[v] = 0.0
    return weights.to(network.weights), frozen


def _norms(network: Network) -> Iterator[_Norm]:
    """Yield the LayerNorms with a gain that a linear layer follows."""
    for name, module in network.model.named_modules():
        for path, weight_path, beta_path in _FOLLOWED:
            norm, weight = _at(module, path), _at(module, weight_path)
            if not (isinstance(norm, nn.LayerNorm) and isinstance(weight, nn.Parameter)):
                continue
            bias, beta = (
                None if parameter is None else index_of(network, parameter, f"{name}.{path}")
                for parameter in (norm.bias, _at(module, beta_path))
            )
            into = index_of(network, weight, f"{name}.{path}")
            into = into.T if weight_path == "proj" else into  # which multiplies from the right
            if norm.weight is not None and into.shape[1:] == norm.weight.shape:
                yield _Norm(index_of(network, norm.weight, f"{name}.{path}"), bias, into, beta)


def _at(module: Any, path: str) -> Any:
    """Return an attribute of attributes; None if there is none."""
    for name in path.split("."):
        module = getattr(module, name, None)
    return module
