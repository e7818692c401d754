"""The networks of the pretrained pools: sizes, and what they compute, written out once more."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, layer_norm, linear
from toys import CLIP, PRETRAINED_VIT

from sharpness.networks import build


@pytest.fixture(params=[PRETRAINED_VIT, CLIP], ids=["vit", "clip-vit"])
def architecture(request: pytest.FixtureRequest) -> dict[str, Any]:
    return request.param


def drawn(architecture: dict[str, Any]) -> tuple[nn.Module, dict[str, Tensor], Tensor]:
    """A float64 network with every weight drawn anew, its weights, and images (3, 3, s, s)."""
    generator = torch.Generator().manual_seed(1)
    network = build(architecture).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.5, generator=generator)
    side = architecture["image_size"]
    images = torch.randn(3, 3, side, side, dtype=torch.float64, generator=generator)
    return network, network.state_dict(), images


def attention(x: Tensor, qkv: tuple[Tensor, Tensor], out: tuple[Tensor, Tensor], n: int) -> Tensor:
    """Multi-head attention of tokens (b, t, d), head by head."""
    q, k, v = linear(x, *qkv).chunk(3, dim=-1)
    width = x.shape[-1] // n
    heads = []
    for i in range(n):
        part = slice(i * width, (i + 1) * width)
        scores = q[..., part] @ k[..., part].transpose(1, 2) / math.sqrt(width)
        heads.append(scores.softmax(-1) @ v[..., part])
    return linear(torch.cat(heads, -1), *out)


def pair(w: dict[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    return w[f"{name}.weight"], w[f"{name}.bias"]


def vit_forward(w: dict[str, Tensor], x: Tensor, a: dict[str, Any]) -> Tensor:
    """Dosovitskiy et al. (2021), Eqs. 1–4, in the names of the weights."""

    def norm(x: Tensor, name: str) -> Tensor:
        return layer_norm(x, (a["dim"],), *pair(w, name), eps=1e-6)

    patches = conv2d(x, *pair(w, "patch_embed.proj"), stride=a["patch_size"]).flatten(2)
    cls = w["cls_token"].expand(len(x), -1, -1)
    z = torch.cat([cls, patches.transpose(1, 2)], dim=1) + w["pos_embed"]
    for i in range(a["depth"]):
        b = f"blocks.{i}"
        qkv, out = pair(w, f"{b}.attn.qkv"), pair(w, f"{b}.attn.proj")
        z = z + attention(norm(z, f"{b}.norm1"), qkv, out, a["heads"])
        hidden = linear(norm(z, f"{b}.norm2"), *pair(w, f"{b}.mlp.fc1"))
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))  # exact GELU
        z = z + linear(hidden, *pair(w, f"{b}.mlp.fc2"))
    return linear(norm(z, "norm")[:, 0], *pair(w, "head"))


def clip_forward(w: dict[str, Tensor], x: Tensor, a: dict[str, Any]) -> Tensor:
    """The visual tower of Radford et al. (2021) and the soups' normalised head."""

    def norm(x: Tensor, name: str) -> Tensor:
        return layer_norm(x, (a["dim"],), *pair(w, f"visual.{name}"), eps=1e-5)

    patches = conv2d(x, w["visual.conv1.weight"], stride=a["patch_size"]).flatten(2)
    cls = w["visual.class_embedding"].expand(len(x), 1, -1)
    z = torch.cat([cls, patches.transpose(1, 2)], dim=1) + w["visual.positional_embedding"]
    z = norm(z, "ln_pre")
    for i in range(a["depth"]):
        b = f"transformer.resblocks.{i}"
        qkv = w[f"visual.{b}.attn.in_proj_weight"], w[f"visual.{b}.attn.in_proj_bias"]
        out = pair(w, f"visual.{b}.attn.out_proj")
        z = z + attention(norm(z, f"{b}.ln_1"), qkv, out, a["heads"])
        hidden = linear(norm(z, f"{b}.ln_2"), *pair(w, f"visual.{b}.mlp.c_fc"))
        hidden = hidden * torch.sigmoid(1.702 * hidden)  # QuickGELU
        z = z + linear(hidden, *pair(w, f"visual.{b}.mlp.c_proj"))
    features = norm(z[:, 0], "ln_post") @ w["visual.proj"]
    features = features / features.square().sum(-1, keepdim=True).sqrt()
    return linear(features, *pair(w, "head"))


FORWARD = {"vit": vit_forward, "clip-vit": clip_forward}


def test_logits_equal_the_formula_with_gradients_and_without(architecture: dict[str, Any]) -> None:
    network, weights, images = drawn(architecture)
    fast = torch.backends.mha.get_fastpath_enabled()
    with torch.no_grad():
        expected = FORWARD[architecture["name"]](weights, images, architecture)
        torch.testing.assert_close(network(images), expected, rtol=1e-10, atol=1e-10)
        assert expected.shape == (3, architecture["classes"])
        found = network.float()(images.float())
    assert network(images.float()).equal(found)
    assert torch.backends.mha.get_fastpath_enabled() == fast


def test_every_weight_has_a_gradient(architecture: dict[str, Any]) -> None:
    network, _, images = drawn(architecture)
    network(images).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.norm() > 0, name


@pytest.mark.parametrize("mlp_dim", [1, 13, 49])
def test_hidden_units_are_as_many_as_said(architecture: dict[str, Any], mlp_dim: int) -> None:
    network = build(architecture | {"mlp_dim": mlp_dim})
    shapes = {
        tuple(value.shape)
        for name, value in network.state_dict().items()
        if ".mlp." in name and name.endswith("weight")
    }
    assert shapes == {(mlp_dim, 12), (12, mlp_dim)}
    assert network.state_dict().keys() == dict(network.named_parameters()).keys()  # no buffers


def test_libraries_are_imported_when_a_network_needs_them() -> None:
    code = (
        "import sys; from sharpness.networks import build;"
        "build(dict(name='preact-resnet', width=1, blocks=[1], in_channels=1, classes=2));"
        "print(sorted({'timm', 'open_clip', 'transformers', 'torchvision'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
