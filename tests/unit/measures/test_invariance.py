"""Adaptive sharpness does not see a rescaling that leaves the function alone (Sec. 3.2).

Exact in the paper's protocol, which works in γ = δ / |w|; standard sharpness does see it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from toys import Batches, noisy_points, normal, smooth_network

from sharpness import Cell, Definition, Effort, sharpness, sharpness_table
from sharpness.measures.definition import ALL

ADAPTIVE = [d for d in ALL if d.adaptive]
STANDARD = [d for d in ALL if not d.adaptive]
RADII = {
    ("average", "l2"): 0.1,
    ("average", "linf"): 0.2,
    ("worst", "l2"): 0.3,
    ("worst", "linf"): 0.02,
}

moves = st.floats(3, 10) | st.floats(0.1, 0.33)
factors = st.floats(-5, 5).map(lambda power: 2.0**power)
drawn = settings(
    max_examples=8,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def values(model: nn.Module, batches: Batches) -> dict[Definition, float]:
    """Every sharpness, with few steps and draws: the invariance does not wait for convergence."""
    cells = [Cell(d, RADII[d.case, d.norm]) for d in ALL]
    table = sharpness_table(model, batches, cells, effort=Effort(4, 4, antithetic=True))
    return {cell.definition: estimate.value for cell, estimate in table.items()}


def double(model: nn.Module, batches: Batches) -> tuple[nn.Module, Batches]:
    """In float64 and with all weights away from zero, biases included."""
    model = copy.deepcopy(model).double()
    with torch.no_grad():
        for i, parameter in enumerate(model.parameters()):
            parameter.add_(0.01 * normal(*parameter.shape, seed=i))
    inputs, labels = batches[0]
    return model, [(inputs[:12].double(), labels[:12])]


def check(
    model: nn.Module,
    batches: Batches,
    rescale: Callable[[nn.Module], None],
    near: float = 1e-6,
    function: float = 1e-9,
) -> None:
    """The function and every adaptive sharpness stay; standard ones do not.

    A standard one may cross its old value at some factor, so one of two is enough.
    """
    other = copy.deepcopy(model)
    with torch.no_grad():
        rescale(other)
        for inputs, _ in batches:
            assert torch.allclose(other(inputs), model(inputs), rtol=function, atol=function)
    before, after = (values(m, batches) for m in (model, other))
    for definition in ADAPTIVE:
        assert after[definition] == pytest.approx(before[definition], rel=near), definition
    moved = [d for d in STANDARD if abs(after[d] / before[d] - 1) > 0.01]
    assert len(moved) >= len(STANDARD) / 2


def relu_network() -> tuple[nn.Module, Batches]:
    model = smooth_network(1, hidden=6)
    model[1] = nn.ReLU()
    return double(model, [noisy_points(12, seed=2)])


@drawn
@given(factor=moves)
def test_layers_around_a_relu(factor: float) -> None:
    def rescale(model: nn.Module) -> None:
        model[0].weight *= factor
        model[0].bias *= factor
        model[2].weight /= factor

    check(*relu_network(), rescale)


@drawn
@given(st.lists(factors, min_size=6, max_size=6))
def test_every_hidden_unit_by_a_factor_of_its_own(powers: list[float]) -> None:
    factor = torch.tensor([3.0, *powers[1:]], dtype=torch.float64)

    def rescale(model: nn.Module) -> None:
        model[0].weight *= factor[:, None]
        model[0].bias *= factor
        model[2].weight /= factor

    check(*relu_network(), rescale)


@drawn
@given(factor=moves)
def test_a_convolution_before_batch_norm(factor: float, resnet: nn.Module, points: Batches) -> None:
    """Its running mean and variance go along; what is left is the eps of BatchNorm."""

    def rescale(model: nn.Module) -> None:
        block = model.layer1[0]
        block.conv1.weight *= factor
        block.bn2.running_mean *= factor
        block.bn2.running_var *= factor**2
        assert block.bn2.running_var.min() > 1e-3

    check(*double(resnet, points), rescale, near=0.02, function=0.02)


@drawn
@given(factor=moves)
def test_without_eps_batch_norm_is_exact(factor: float, resnet: nn.Module, points: Batches) -> None:
    model, batches = double(resnet, points)
    model.layer1[0].bn2.eps = 0.0

    def rescale(model: nn.Module) -> None:
        model.layer1[0].conv1.weight *= factor
        model.layer1[0].bn2.running_mean *= factor
        model.layer1[0].bn2.running_var *= factor**2

    check(model, batches, rescale)


@drawn
@given(factor=moves)
def test_queries_and_keys(factor: float, vit: nn.Module, points: Batches) -> None:
    def rescale(model: nn.Module) -> None:
        queries, keys, _ = model.transformer.layers[0][0].to_qkv.weight.chunk(3)
        queries *= factor
        keys /= factor

    check(*double(vit, points), rescale)


@drawn
@given(factor=moves)
def test_layer_norm_before_a_linear_layer(factor: float, vit: nn.Module, points: Batches) -> None:
    def rescale(model: nn.Module) -> None:
        norm, linear = model.transformer.layers[0][1].net[:2]
        norm.weight *= factor
        norm.bias *= factor
        linear.weight /= factor

    check(*double(vit, points), rescale)


@drawn
@given(factor=moves)
def test_a_linear_layer_before_layer_norm(factor: float) -> None:
    """The beginning of the network, up to the eps of LayerNorm."""
    first, *rest = smooth_network(2, hidden=6)
    model, batches = double(
        nn.Sequential(first, nn.LayerNorm(6, eps=0), *rest), [noisy_points(12, seed=2)]
    )

    def rescale(model: nn.Module) -> None:
        model[0].weight *= factor
        model[0].bias *= factor

    check(model, batches, rescale)


def test_around_a_gelu_approximately(vit: nn.Module, points: Batches) -> None:
    """GELU(αz)/α ≈ GELU(z), the better the larger z is: unlike above, near and not exact."""
    model, batches = double(vit, points)
    first, _, second = model.transformer.layers[0][1].net[1:]
    with torch.no_grad():  # far enough from zero for GELU to be nearly a ReLU
        first.weight *= 5
        first.bias *= 5
        second.weight /= 5
    other = copy.deepcopy(model)
    first, _, second = other.transformer.layers[0][1].net[1:]
    with torch.no_grad():
        first.weight *= 3
        first.bias *= 3
        second.weight /= 3
    before, after = values(model, batches), values(other, batches)
    changes = {definition: abs(after[definition] / before[definition] - 1) for definition in ALL}
    assert all(0 < changes[d] < 0.03 for d in ADAPTIVE)
    assert all(changes[d] > 0.05 for d in STANDARD)


def test_the_released_ellipsoid_is_not_invariant() -> None:
    """Why the paper's protocol optimises γ: steps of the code are proportional to |w|, not |w|²."""
    model, batches = relu_network()
    other = copy.deepcopy(model)
    with torch.no_grad():
        other[0].weight *= 10
        other[0].bias *= 10
        other[2].weight /= 10
    found = {}
    for norm in ("l2", "linf"):
        definition = Definition("worst", norm, adaptive=True, logit_norm=False)  # type: ignore[arg-type]
        values: list[Tensor] = [
            torch.tensor(sharpness(m, batches, definition, 0.3, protocol="released").value)
            for m in (model, other)
        ]
        found[norm] = abs(values[1] / values[0] - 1).item()
    assert found["l2"] > 0.01
    assert found["linf"] < 1e-9  # a box is clamped coordinate by coordinate in any scale
