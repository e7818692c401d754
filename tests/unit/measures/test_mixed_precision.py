"""Gradients with products in bfloat16, beside losses that stay as they are."""

from __future__ import annotations

import pytest
import torch
from refusal import refused
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint
from toys import RESNET, mean_output, noisy_points, smooth_network

from sharpness import Cell, Definition, Effort, sharpness, sharpness_table
from sharpness.measures.definition import PAPER
from sharpness.measures.mixed_precision import coarse_products
from sharpness.measures.network import Network
from sharpness.measures.objective import Objective
from sharpness.networks import build, initialise

VIT = {
    "name": "simple-vit",
    "image_size": 8,
    "patch_size": 2,
    "dim": 32,
    "depth": 2,
    "heads": 2,
    "dim_head": 16,
    "mlp_dim": 64,
    "in_channels": 1,
    "classes": 10,
}
WORST = [definition for definition in PAPER if definition.case == "worst"]
EFFORT = Effort(steps=5, samples=3)
MIXED = Effort(steps=5, samples=3, precision="mixed")


@pytest.fixture(scope="module", params=[RESNET, VIT], ids=["resnet", "vit"])
def objective(request: pytest.FixtureRequest) -> Objective:
    """A small network of each kind on 16 images."""
    generator = torch.Generator().manual_seed(0)
    network = build(request.param)
    initialise(network, generator)
    images = torch.rand(16, 1, 8, 8, generator=generator)
    return Objective(Network(network.eval()), (images, torch.arange(16) % 10), cross_entropy)


def test_a_product_is_that_of_rounded_factors() -> None:
    """The gradient of wᵀx is x, and bfloat16 has 8 bits: 1 + 2⁻¹⁰ becomes 1, and 1 + 2⁻⁷ stays."""
    x = torch.tensor([[1 + 2**-10, 1 + 2**-7]])
    model = nn.Linear(2, 1, bias=False)
    objective = Objective(Network(model), (x, torch.zeros(1)), mean_output)
    weights = objective.network.weights
    assert objective.loss_and_gradient(weights, None)[1].tolist() == x[0].tolist()
    assert objective.loss_and_gradient(weights, None, mixed=True)[1].tolist() == [1, 1 + 2**-7]


def test_the_loss_is_the_same_to_the_bit_and_the_gradient_nearly(objective: Objective) -> None:
    weights = objective.network.weights
    loss, gradient = objective.loss_and_gradient(weights, None)
    other, coarse = objective.loss_and_gradient(weights, None, mixed=True)
    assert other == loss
    assert coarse.dtype == gradient.dtype
    assert 0 < (coarse - gradient).norm() / gradient.norm() < 2**-6


def test_every_product_of_a_backward_pass_is_coarse(objective: Objective) -> None:
    """If one stayed in float32, the gradient of the last layer alone would be coarse, say."""
    network = objective.network
    whole = [objective.loss_and_gradient(network.weights, None, mixed=m)[1] for m in (False, True)]
    for name, parameter in network.model.named_parameters():
        if parameter.ndim > 1:
            places = network.positions(parameter)
            assert places is not None
            exact, coarse = (gradient[places.flatten()] for gradient in whole)
            assert (exact != coarse).float().mean() > 0.5, name


def test_a_small_radius_has_its_value() -> None:
    """Rounding to bfloat16 changes a loss by up to 2⁻⁹ of it, more than the whole rise here."""
    model, batch = smooth_network(seed=0).float(), noisy_points(16, seed=1)
    batch = batch[0].float(), batch[1]
    with torch.no_grad():
        loss = cross_entropy(model(batch[0]), batch[1]).item()
    definition = Definition.parse("worst-linf-standard-rawlogits")
    exact, mixed = (
        sharpness(model, [batch], definition, 1e-4, precision=precision).value
        for precision in ("float32", "mixed")
    )
    assert 0 < exact < 2**-9 * loss
    assert mixed == pytest.approx(exact, rel=0.01)


def test_average_cases_do_not_change_and_worst_cases_hardly(objective: Objective) -> None:
    cells = [Cell(definition, 0.01) for definition in PAPER]
    both = [
        sharpness_table(objective.network.model, [objective.whole], cells, effort=effort)
        for effort in (EFFORT, MIXED)
    ]
    for cell in cells:
        exact, mixed = (table[cell].value for table in both)
        if cell.definition.case == "average":
            assert mixed == exact
        else:
            assert mixed == pytest.approx(exact, rel=0.05)
    assert any(both[0][cell] != both[1][cell] for cell in cells)


def test_a_forward_that_is_computed_again_in_the_backward_pass() -> None:
    class Again(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(checkpoint(self.inner, x, use_reentrant=False).tanh())

    torch.manual_seed(0)
    batch = torch.randn(8, 4), torch.arange(8) % 3
    exact, mixed = (
        sharpness(Again(), [batch], WORST[0], 0.1, precision=precision).value
        for precision in ("float32", "mixed")
    )
    assert exact > 0
    assert mixed > 0


@pytest.mark.parametrize("on_gpu", [True, False])
def test_the_precision_of_products_is_put_back(on_gpu: bool) -> None:
    before = torch.get_float32_matmul_precision()
    with coarse_products(on_gpu):
        assert (torch.get_float32_matmul_precision() == "high") == on_gpu
    assert torch.get_float32_matmul_precision() == before


def test_another_precision_is_refused() -> None:
    with refused("precision is 'half'; it is one of float32, mixed"):
        sharpness(
            nn.Linear(2, 2),
            [(torch.ones(1, 2), torch.zeros(1, dtype=torch.long))],
            WORST[0],
            0.1,
            precision="half",  # type: ignore[arg-type]
        )
