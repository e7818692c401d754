"""Folding on the four layouts: what it makes invariant, and what it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import pytest
import torch
from orbits import regauge
from refusal import refused
from test_gauge import LAYOUTS, logits, transformer
from torch import Tensor, nn
from toys import normal

from sharpness.measures.gauge import balanced
from sharpness.measures.measuring import measure
from sharpness.measures.network import Network

INVARIANT = ("gradient-norm+gauge+folded", "geodesic-inv@0.1+folded", "geodesic-mix@0.1+folded")
MOVED = ("gradient-norm+gauge", "geodesic-inv@0.1", "geodesic-mix@0.1")
NORMS = {
    "vit": [
        *(f"blocks.{n}.{pair}" for n in (0, 1) for pair in ("norm1 attn.qkv", "norm2 mlp.fc1")),
        "norm head",
    ],
    "clip-vit": [
        *(
            f"visual.transformer.resblocks.{n}.{pair}"
            for n in (0, 1)
            for pair in ("ln_1 attn.in_proj_", "ln_2 mlp.c_fc")
        ),
        "visual.ln_post visual.proj",
    ],
    "simple-vit": [
        "transformer.layers.0.0.norm to_qkv",
        "transformer.layers.0.1.net.0 1",
        "linear_head.0 1",
    ],
    "bert": [],
}
"""LayerNorms with the layer after each, the second name beside the first."""
VALUES = {
    "vit": ("attn.qkv.bias", "attn.proj"),
    "clip-vit": ("attn.in_proj_bias", "attn.out_proj"),
    "bert": ("attention.self.value.bias", "attention.output.dense"),
}
"""Ends of the names of b_V, with others or alone, and of the output layer."""


def parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    return dict(model.named_parameters())


def norms(model: nn.Module, layout: str) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor | None]]:
    """Yield gain, bias, the weight after them (outputs, inputs) and its bias."""
    named = parameters(model)
    for line in NORMS[layout]:
        norm, layer = line.split()
        if layer == "visual.proj":
            after, beta = named[layer].T, None
        else:
            inner = norm.rpartition(".")[0]
            stem = f"{inner}.{layer}" if inner else layer
            dot = "" if stem.endswith("_") else "."
            after, beta = named[f"{stem}{dot}weight"], named.get(f"{stem}{dot}bias")
        yield named[f"{norm}.weight"], named[f"{norm}.bias"], after, beta


@torch.no_grad()
def elsewhere(model: nn.Module, layout: str) -> nn.Module:
    """A copy with the same outputs: gains, biases of LayerNorms, b_K, b_V, and heads are others."""
    copy = deepcopy(model)
    for number, (gain, bias, after, beta) in enumerate(norms(copy, layout)):
        a = normal(len(gain), seed=number).exp()
        after /= a
        gain *= a
        bias *= a
        if beta is not None:
            shift = normal(len(gain), seed=100 + number)
            bias += shift
            beta -= after @ shift
    named = parameters(copy)
    for name, bias in named.items():
        ending, out = VALUES.get(layout, ("-", ""))
        if name.endswith(ending):
            stem = name.removesuffix(ending)
            v = bias if layout == "bert" else bias.chunk(3)[2]
            k = named[f"{stem}attention.self.key.bias"] if layout == "bert" else bias.chunk(3)[1]
            shift = normal(len(v), seed=200)
            k += normal(len(k), seed=201)
            v += shift
            named[f"{stem}{out}.bias"].sub_(named[f"{stem}{out}.weight"] @ shift)
    regauge(copy, seed=1)
    return copy


@pytest.mark.parametrize("layout", LAYOUTS)
def test_measures_on_all_orbits_together(layout: str) -> None:
    """The ratio is 1 ± 10⁻⁹ for the folded measures, and not for the others."""
    model, batches = transformer(layout)
    other = elsewhere(model, layout)
    assert torch.allclose(logits(other, batches), logits(model, batches), rtol=1e-9)
    for folded, plain in zip(INVARIANT, MOVED, strict=True):
        before, after = (measure(each, batches, folded).value for each in (model, other))
        assert after == pytest.approx(before, rel=1e-9), folded
        before, after = (measure(each, batches, plain).value for each in (model, other))
        assert abs(after / before - 1) > 1e-3, plain


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_folded_never_moves(layout: str) -> None:
    model, batches = transformer(layout)
    copy, c = balanced(model, folded=True)
    assert torch.allclose(logits(copy, batches), logits(model, batches))
    network = Network(copy)

    def widths(parameter: Tensor) -> Tensor:
        places = network.positions(parameter)
        assert places is not None
        return c[places]

    biases = 0
    for gain, bias, _, beta in norms(copy, layout):
        assert torch.equal(gain, torch.ones_like(gain))
        assert (widths(gain) == 0).all()
        assert ((widths(bias) == 0) == (bias == 0)).all()
        assert bool((bias == 0).all()) == (beta is not None)
    for name, bias in parameters(copy).items():
        if name.endswith(VALUES.get(layout, ("-",))[0]):
            of_v = bias if layout == "bert" else torch.cat(bias.chunk(3)[1:])
            assert (of_v == 0).all()
            biases += 1
    assert biases == (0 if layout == "simple-vit" else 2)


def test_a_gain_of_zero_before_a_layer_without_bias_does_not_fold() -> None:
    model, batches = transformer("simple-vit")
    with torch.no_grad():
        parameters(model)["transformer.layers.0.0.norm.weight"][0] = 0.0
    assert measure(model, batches, "gradient-norm+gauge").value > 0
    with refused("gains of 0"):
        measure(model, batches, "gradient-norm+gauge+folded")
