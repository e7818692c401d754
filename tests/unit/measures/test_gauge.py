"""The balanced gauge on the four layouts, and what it makes invariant."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import timm
import torch
from orbits import regauge
from refusal import refused
from torch import Tensor, nn
from toy_bert import drawn
from toys import CLIP, PRETRAINED_VIT, VIT, Batches, flat, normal, smooth_network

from sharpness.data.batches import call, logits_of
from sharpness.measures.blocks import NotApplicable, Pairs, attention_pairs
from sharpness.measures.gauge import balance, balanced, scaling
from sharpness.measures.measuring import measure
from sharpness.measures.network import Network
from sharpness.networks import build

LAYOUTS = ("vit", "clip-vit", "bert", "simple-vit")
MOVED_BY_HEADS = ("gradient-norm+adaptive", "worst-linf-adaptive-rawlogits@0.01+paper")
INVARIANT = (
    "worst-l2-adaptive-rawlogits-gauge@0.1+paper",
    "worst-linf-adaptive-rawlogits-gauge@0.01+paper",
    "average-linf-adaptive-normlogits-gauge@0.1+paper",
    "gradient-norm+gauge",
    "geodesic-inv@0.1",
    "geodesic-mix@0.1",
)


def transformer(layout: str, dtype: torch.dtype = torch.float64) -> tuple[nn.Module, Batches]:
    """A tiny network with no weight near zero, and a batch that it classifies."""
    sizes: dict[str, Any] = {"vit": PRETRAINED_VIT, "clip-vit": CLIP, "simple-vit": VIT}.get(
        layout, {}
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = (build(sizes) if sizes else drawn()).double().eval()
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter.mul_(1 if sizes else 0.3).add_(0.1 * normal(*parameter.shape, seed=number))
    model, stream = model.to(dtype), torch.Generator().manual_seed(0)
    if not sizes:
        ids = torch.randint(1, 11, (6, 5), generator=stream)
        names = ("input_ids", "attention_mask", "token_type_ids")
        inputs = dict(zip(names, (ids, torch.ones_like(ids), ids % 2), strict=True))
        return model, [(inputs, torch.randint(3, (6,), generator=stream))]
    shape = sizes.get("in_channels", 3), sizes["image_size"], sizes["image_size"]
    labels = torch.randint(sizes["classes"], (6,), generator=stream)
    return model, [(normal(6, *shape, seed=2).to(dtype), labels)]


def logits(model: nn.Module, batches: Batches) -> Tensor:
    with torch.no_grad():
        return logits_of(call(model, batches[0][0]))


def elsewhere(model: nn.Module) -> nn.Module:
    copy = deepcopy(model)
    regauge(copy, seed=1)
    return copy


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_head_is_found_and_balanced(layout: str) -> None:
    model, batches = transformer(layout)
    other, before = elsewhere(model), flat(model)
    assert (flat(other) - before).abs().max() > 0.5
    assert torch.allclose(logits(other, batches), logits(model, batches), rtol=1e-9)
    representatives = [balanced(each) for each in (model, other)]
    (one, c), (two, c2) = representatives
    assert torch.allclose(flat(one), flat(two), atol=1e-9)
    assert torch.allclose(c, c2)
    assert torch.allclose(logits(one, batches), logits(model, batches))
    assert torch.equal(flat(model), before)
    for pair in attention_pairs(Network(one)):
        G, H = flat(one)[pair.G], flat(one)[pair.H]
        assert torch.allclose(G.mT @ G, H.mT @ H)
        assert torch.allclose(G.mT @ G, torch.diag_embed(c[pair.G][:, 0].square()))


@pytest.mark.parametrize(
    ("layout", "near"),
    [("vit", 1e-9), ("vit", 0.01), ("clip-vit", 1e-9), ("bert", 1e-9), ("simple-vit", 0.01)],
)
def test_measures_on_the_orbit_of_a_head(layout: str, near: float) -> None:
    """The ratio is 1 ± 10⁻⁹, in float32 within 1 %; A has condition 10³."""
    model, batches = transformer(layout, torch.float32 if near > 1e-3 else torch.float64)
    other = elsewhere(model)
    for name in INVARIANT if layout == "vit" else ("gradient-norm+gauge", "geodesic-mix@0.1"):
        before, after = (measure(each, batches, name).value for each in (model, other))
        assert after == pytest.approx(before, rel=near), name
    for name in MOVED_BY_HEADS:
        before, after = (measure(each, batches, name).value for each in (model, other))
        assert after > 2 * before, name


def test_the_gauge_agrees_with_the_geodesic_for_small_radii() -> None:
    model, batches = transformer("vit")
    errors = []
    for radius in (0.1, 0.01):
        names = f"worst-l2-adaptive-rawlogits-gauge@{radius}+paper", f"geodesic-inv@{radius}"
        one, other = (measure(model, batches, name).value for name in names)
        errors.append(abs(one / other - 1))
    assert errors[1] < 0.3 * errors[0] < 0.3 * 0.02


def test_the_riemannian_gradient_of_a_product() -> None:
    """L = ⟨M, G Hᵀ⟩: ‖K Mᵀ‖² + ‖Kᵀ M‖² (inv), ‖Π_G M‖² + ‖M Π_H‖² (mix): 24 and 6."""
    G = torch.tensor([[1.0, 0], [0, 2], [0, 0]], dtype=torch.float64)
    H = torch.diag(torch.tensor([2.0, 1.0], dtype=torch.float64))
    M = torch.tensor([[1.0, 0], [0, 1], [1, 1]], dtype=torch.float64)
    pairs = [Pairs(torch.arange(6).view(1, 3, 2), torch.arange(6, 10).view(1, 2, 2))]
    weights, spectra = balance(torch.cat([G.flatten(), H.flatten()]), pairs)
    G, H = weights[:6].view(3, 2), weights[6:].view(2, 2)
    gradient = torch.cat([(M @ H).flatten(), (M.T @ G).flatten()])
    for power, exact in ((0.5, 24.0), (-0.5, 6.0)):
        c = scaling(weights, pairs, spectra, power)
        assert (c * gradient).square().sum().item() == pytest.approx(exact)


def test_heads_that_are_wider_than_their_input_or_of_low_rank() -> None:
    """Columns without a singular value are zero and never move."""
    weights = normal(2 * 3 * 5, seed=0)
    pair = Pairs(torch.arange(15).view(1, 3, 5), torch.arange(15, 30).view(1, 3, 5))
    moved, (s,) = balance(weights, [pair])
    G, H = weights[pair.G], weights[pair.H]
    assert torch.allclose(moved[pair.G] @ moved[pair.H].mT, G @ H.mT)
    assert (s[0, 3:] == 0).all()
    assert (s[0, :3] > 0).all()
    for power in (0.5, -0.5):
        c = scaling(moved, [pair], [s], power)
        assert c.isfinite().all()
        assert (c[pair.G][..., 3:] == 0).all()
        assert (c[pair.H] >= 0).all()


def test_a_model_without_heads_of_a_known_layout() -> None:
    batch = normal(4, 3, seed=0), torch.arange(4) % 3
    with pytest.raises(NotApplicable, match="no attention"):
        measure(smooth_network(0), [batch], "geodesic-inv@0.1")
    model, batches = transformer("vit")
    with pytest.raises(NotApplicable, match="not all of its weights"):
        measure(model, batches, "gradient-norm+gauge", parameters="qkv.weight")


def test_normalized_queries_look_alike_and_are_told_by_the_logits() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        settings = {"img_size": 12, "patch_size": 4, "embed_dim": 12, "depth": 1, "num_heads": 3}
        model = timm.models.VisionTransformer(**settings, num_classes=5, qk_norm=True).double()
    batch = normal(4, 3, 12, 12, seed=1), torch.arange(4)
    with refused("changes the logits"):
        measure(model, [batch], "gradient-norm+gauge")
    assert measure(model, [batch], "gradient-norm+adaptive").value > 0
