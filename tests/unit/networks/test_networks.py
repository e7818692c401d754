"""The architectures: sizes and names of the authors' checkpoints, and what they compute."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from refusal import refused
from torch import Tensor, nn
from torch.nn.functional import batch_norm, conv2d, linear
from toy_bert import TINY
from toys import CLIP, PRETRAINED_VIT

from sharpness.networks import build, initialise

RESNET18 = {"name": "preact-resnet", "width": 64, "blocks": [2, 2, 2, 2]}
RESNET18 |= {"in_channels": 3, "classes": 10}
VIT = {"name": "simple-vit", "image_size": 32, "patch_size": 4, "in_channels": 3, "classes": 10}
VIT |= {"dim": 512, "depth": 6, "heads": 16, "dim_head": 64, "mlp_dim": 1024}
SMALL_RESNET = {**RESNET18, "width": 8, "blocks": [2, 1, 1], "in_channels": 1}
SMALL_VIT = {**VIT, "image_size": 8, "patch_size": 2, "dim": 16, "depth": 2, "heads": 2}
SMALL_VIT |= {"dim_head": 12, "mlp_dim": 24}
# Logits of vit-pytorch 0.40.2 for SMALL_VIT, with the weights and images of formula().
VIT_LOGITS = [
    [0.369101, 0.812537, 0.141929, -0.433221, -0.006867],
    [0.584403, 0.168712, -0.785256, -0.824128, 0.205120],
    [0.371928, 0.806188, 0.136525, -0.429066, 0.000224],
    [0.583127, 0.161102, -0.787070, -0.817255, 0.209724],
]


def formula(network: nn.Module, shape: tuple[int, ...]) -> Tensor:
    """Give a float64 network weights that a formula determines; images of the same kind."""
    network.double().eval()
    with torch.no_grad():
        for k, (name, tensor) in enumerate(network.named_parameters()):
            wave = torch.arange(tensor.numel(), dtype=torch.float64).mul(0.7).add(k).sin()
            scale = 1.0 if name.endswith("norm.weight") or ".net.0.weight" in name else 0.0
            tensor.copy_(scale + 0.3 * wave.view(tensor.shape))
    count = torch.Size(shape).numel()
    return torch.arange(count, dtype=torch.float64).mul(0.37).cos().view(shape)


def size(network: nn.Module) -> tuple[int, int]:
    parameters = list(network.parameters())
    return sum(parameter.numel() for parameter in parameters), len(parameters)


def test_resnet18_has_the_size_and_names_of_the_authors_checkpoints() -> None:
    network = build(RESNET18)
    assert size(network) == (11_172_170, 56)
    names = [name for name, _ in network.named_parameters()]
    block = ["bn1.weight", "bn1.bias", "conv1.weight", "bn2.weight", "bn2.bias", "conv2.weight"]
    expected = {"conv1.weight", "bn.weight", "bn.bias", "linear.weight", "linear.bias"}
    for layer in (1, 2, 3, 4):
        expected |= {f"layer{layer}.{number}.{name}" for number in (0, 1) for name in block}
        expected |= {f"layer{layer}.0.shortcut.0.weight"} if layer > 1 else set()
    assert set(names) == expected
    assert {name for name, _ in network.named_buffers()} == {
        f"{name.removesuffix('weight')}{statistic}"
        for name in names
        if "bn" in name and name.endswith("weight")
        for statistic in ("running_mean", "running_var", "num_batches_tracked")
    }


def test_vit_has_the_size_and_names_of_the_authors_checkpoints() -> None:
    network = build(VIT)
    assert size(network) == (18_927_114, 66)
    expected = ["to_patch_embedding.1.weight", "to_patch_embedding.1.bias"]
    for layer in range(6):
        attention, perceptron = (f"transformer.layers.{layer}.{part}" for part in (0, 1))
        expected += [f"{attention}.{name}" for name in ("norm.weight", "norm.bias")]
        expected += [f"{attention}.{name}.weight" for name in ("to_qkv", "to_out")]
        expected += [
            f"{perceptron}.net.{i}.{name}" for i in (0, 1, 3) for name in ("weight", "bias")
        ]
    expected += [f"linear_head.{i}.{name}" for i in (0, 1) for name in ("weight", "bias")]
    assert list(network.state_dict()) == expected
    assert network.state_dict()["transformer.layers.0.0.to_qkv.weight"].shape == (3072, 512)


def test_vit_computes_what_vit_pytorch_does() -> None:
    network = build(SMALL_VIT)
    images = formula(network, (2, 3, 8, 8))
    expected = torch.tensor(VIT_LOGITS, dtype=torch.float64).view(2, 10)
    torch.testing.assert_close(network(images), expected, atol=2e-6, rtol=0)


def plain_resnet(w: dict[str, Tensor], x: Tensor, blocks: list[int]) -> Tensor:
    """The pre-activation ResNet as a formula over its state dict."""

    def norm(x: Tensor, name: str) -> Tensor:
        parts = ("running_mean", "running_var", "weight", "bias")
        return batch_norm(x, *(w[f"{name}.{part}"] for part in parts)).clamp(min=0)

    x = conv2d(x, w["conv1.weight"], padding=1)
    for stage, depth in enumerate(blocks, 1):
        for number in range(depth):
            name = f"layer{stage}.{number}"
            stride = 2 if stage > 1 and number == 0 else 1
            out = norm(x, f"{name}.bn1")
            if stride == 2:
                x = conv2d(out, w[f"{name}.shortcut.0.weight"], stride=stride)
            out = conv2d(out, w[f"{name}.conv1.weight"], stride=stride, padding=1)
            x = x + conv2d(norm(out, f"{name}.bn2"), w[f"{name}.conv2.weight"], padding=1)
    return linear(norm(x, "bn").mean((2, 3)), w["linear.weight"], w["linear.bias"])


def test_resnet_computes_the_preactivation_formula() -> None:
    network = build(SMALL_RESNET)
    images = formula(network, (3, 1, 8, 8))
    generator = torch.Generator().manual_seed(0)
    for name, buffer in network.named_buffers():
        if "running" in name:
            buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.5)
    expected = plain_resnet(network.state_dict(), images, [2, 1, 1])
    assert expected.std() > 0.1
    torch.testing.assert_close(network(images), expected, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("architecture", [SMALL_RESNET, SMALL_VIT], ids=lambda a: a["name"])
def test_a_hessian_vector_product_works_on_a_cpu(architecture: dict[str, Any]) -> None:
    network = build(architecture)
    images = formula(network, (2, architecture["in_channels"], 8, 8))
    parameters = list(network.parameters())
    slopes = torch.autograd.grad(network(images).square().sum(), parameters, create_graph=True)
    product = torch.autograd.grad(sum(s.sum() for s in slopes), parameters)
    assert all(p.isfinite().all() for p in product)
    assert any(p.any() for p in product)


@pytest.mark.parametrize("architecture", [SMALL_RESNET, SMALL_VIT], ids=lambda a: a["name"])
def test_initial_weights_come_from_the_generator_alone(architecture: dict[str, Any]) -> None:
    first, second, third = (build(architecture) for _ in range(3))
    for network, seed in ((first, 1), (second, 1), (third, 2)):
        initialise(network, torch.Generator().manual_seed(seed))
    one, same, other = (network.state_dict() for network in (first, second, third))
    assert all(torch.equal(one[name], same[name]) for name in one)
    last = next(name for name in reversed(one) if name.endswith("weight"))
    assert not torch.equal(one[last], other[last])


def test_initial_weights_follow_the_law_of_pytorch() -> None:
    own, theirs = build(RESNET18), build(RESNET18)
    initialise(own, torch.Generator().manual_seed(0))
    pairs = zip(own.named_parameters(), theirs.parameters(), strict=True)
    for (name, mine), usual in pairs:
        if mine.numel() > 1000:
            assert mine.std().item() == pytest.approx(usual.std().item(), rel=0.1), name
            assert mine.abs().max().item() == pytest.approx(usual.abs().max().item(), rel=0.1), name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "resnet"}, "name is 'resnet'; it is one of preact-resnet, simple-vit, vit"),
        ({"widht": 8}, "widht is unknown"),
        ({"width": 0}, "width: 0: "),
        ({"width": 8.5}, "width: 8.5: "),
        ({"classes": True}, "classes: True: "),
        ({"blocks": [1, 0]}, "blocks: 1: 0: "),
        ({**SMALL_VIT, "patch_size": 3}, "patch_size"),
        ({**SMALL_VIT, "dim": 18}, "dim"),
        ({**PRETRAINED_VIT, "patch_size": 5}, "patch_size 5 does not divide an image of 12 pixels"),
        ({**PRETRAINED_VIT, "heads": 5}, "heads is 5, which does not divide dim, 12"),
        ({**CLIP, "patch_size": 5}, "patch_size 5 does not divide an image of 12 pixels"),
        ({**CLIP, "heads": 5}, "heads is 5, which does not divide dim, 12"),
        ({**TINY, "heads": 3}, "heads is 3, which does not divide dim, 8"),
    ],
)
def test_a_wrong_description_is_a_problem(change: dict[str, Any], message: str) -> None:
    with refused(message):
        build(change if len(change) > 1 else {**RESNET18, **change})


@pytest.mark.parametrize("architecture", [RESNET18, SMALL_VIT, PRETRAINED_VIT, CLIP, TINY])
def test_no_size_has_a_default(architecture: dict[str, Any]) -> None:
    for key in architecture.keys() - {"name"}:
        with refused(f"{key} is missing"):
            build({name: size for name, size in architecture.items() if name != key})
