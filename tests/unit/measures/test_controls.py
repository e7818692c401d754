"""Controls against the values of a network of two layers that is computed by hand."""

from __future__ import annotations

import math

import pytest
import torch
from refusal import refused
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from toys import Batches, flat, noisy_points, normal, smooth_network

from sharpness import Definition, sharpness
from sharpness.measures.blocks import NotApplicable
from sharpness.measures.matrices import affine_weights
from sharpness.measures.measuring import measure

EXAMPLES = 100  # m of the oracle


def two_layers() -> nn.Module:
    """W₁ = diag(2, 1), W₂ = [1, 1], without biases."""
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    model.double()
    with torch.no_grad():
        model[0].weight.copy_(torch.diag(torch.tensor([2.0, 1.0])))
        model[2].weight.fill_(1)
    return model


def half_margin() -> tuple[nn.Module, Batches]:
    """The same weights with two classes, z = (x₁ / 4, 0): all margins are 0.5 at x₁ = 2."""

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = two_layers()

        def forward(self, x: Tensor) -> Tensor:
            z = self.net(x)
            return torch.cat([z / 4, 0 * z], dim=1)

    inputs = torch.tensor([[1.0, 0.0]] * 4, dtype=torch.float64)
    return Network(), [(inputs, torch.zeros(4, dtype=torch.long))]


def root(v: float) -> float:
    return math.sqrt(v / EXAMPLES)


def half_log(v: float) -> float:
    return (v - math.log(EXAMPLES)) / 2


@pytest.mark.parametrize(
    ("name", "form", "exact"),
    [
        ("spectral-product", half_log, -1.262864),  # 32
        ("spectral-product+margin", half_log, -0.569717),  # 31
        ("stable-rank", root, 0.15),  # 33
        ("spectral-sum", half_log, -1.436151),  # 35
        ("frobenius-product", half_log, -1.151293),  # 37
        ("spectral-complexity", half_log, -0.164252 - math.log(2)),  # 30, without the margin
        ("spectral-complexity+margin", half_log, -0.164252),
        ("frobenius-norm", root, 0.2645751),  # 42
    ],
)
def test_norms_of_matrices(name: str, form: object, exact: float) -> None:
    model, batches = half_margin()
    found = measure(model, batches, name).value
    assert form(found) == pytest.approx(exact, abs=1e-6)  # type: ignore[operator]


def test_the_path_norm() -> None:
    """#44: √(v / m) with v = [1, 1] diag(4, 1) [1, 1]ᵀ = 5."""
    batch = normal(3, 2, seed=0).abs(), torch.zeros(3, 1, dtype=torch.float64)
    found = measure(two_layers(), [batch], "path-norm", loss=nn.functional.mse_loss)
    assert found.value == pytest.approx(5)
    assert root(found.value) == pytest.approx(0.2236068)


def test_the_number_of_parameters_and_their_norm() -> None:
    model, batches = half_margin()
    assert measure(model, batches, "parameter-count").value == 6
    assert measure(model, batches, "weight-norm").value == pytest.approx(7**0.5)


def test_the_margin_sees_the_tenth_of_the_points_that_is_worst() -> None:
    """Also below zero, where an example is misclassified."""
    logits = torch.arange(-1.0, 10.0, dtype=torch.float64)  # 11 margins, of which 0 is the 10 %
    table = nn.Linear(11, 2, bias=False).double()
    with torch.no_grad():
        table.weight.copy_(torch.stack([logits, torch.zeros(11)]))
    eye = torch.eye(11, dtype=torch.float64)
    batches = [(eye[:6], torch.zeros(6, dtype=torch.long))]
    batches += [(eye[6:], torch.zeros(5, dtype=torch.long))]
    assert measure(table, batches, "margin-p10").value == pytest.approx(0, abs=1e-12)
    wrong = [(eye, torch.ones(11, dtype=torch.long))]
    assert measure(table, wrong, "margin-p10").value == pytest.approx(-8)
    with refused("needs a positive one"):
        measure(table, wrong, "spectral-product+margin")


def test_the_training_loss_is_a_mean_over_examples() -> None:
    model, batch = smooth_network(0), noisy_points(20, seed=1)
    uneven = [(batch[0][:14], batch[1][:14]), (batch[0][14:], batch[1][14:])]
    exact = cross_entropy(model(batch[0]), batch[1]).item()
    for micro_batch in (None, 3):
        found = measure(model, uneven, "training-loss", micro_batch=micro_batch)
        assert found.value == pytest.approx(exact)
        assert found.examples == (14, 6)


def test_distances_from_the_initial_weights() -> None:
    model, batch = smooth_network(0), noisy_points(9, seed=1)
    initial = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter += normal(*parameter.shape, seed=number)
    moved = [model.state_dict()[name] - value for name, value in initial.items()]
    matrices = [change for change in moved if change.ndim == 2]
    exact = {
        "initial-distance": torch.cat([change.flatten() for change in moved]).norm(),
        "frobenius-distance": sum(change.square().sum() for change in matrices),
        "spectral-distance": sum(torch.linalg.svdvals(change)[0] ** 2 for change in matrices),
    }
    for name, value in exact.items():
        assert measure(model, [batch], name, initial=initial).value == pytest.approx(float(value))
        with pytest.raises(NotApplicable, match="not known"):
            measure(model, [batch], name)
        with pytest.raises(NotApplicable, match="lack"):
            measure(model, [batch], name, initial={})


@pytest.mark.parametrize("name", ["initial-distance", "frobenius-distance", "spectral-distance"])
def test_initial_weights_that_are_none_are_refused(name: str) -> None:
    model, batches = smooth_network(0), [noisy_points(9, seed=1)]
    for initial, why in (
        (model, "initial is Sequential"),
        ({key: value.numpy() for key, value in model.state_dict().items()}, "must be a tensor"),
        ({key: value / 0 for key, value in model.state_dict().items()}, "'0.weight' is not finite"),
    ):
        with refused(why):
            measure(model, batches, name, initial=initial)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "weight"),
    [
        ("spectral-product", 0.0),
        ("stable-rank", 0.0),
        ("spectral-norm", math.nan),
        ("weight-norm", math.nan),
    ],
)
def test_a_value_that_is_not_finite_is_refused(name: str, weight: float) -> None:
    model = smooth_network(0)
    nn.init.constant_(model[2].weight, weight)
    with refused("the value is"):
        measure(model, [noisy_points(9, seed=1)], name)


def test_convolutions_are_outputs_times_the_rest_and_embeddings_are_left_out() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 5), nn.BatchNorm2d(3), nn.Embedding(3, 2))
    model.append(nn.MultiheadAttention(4, 2))
    names = ["0.weight", "3.in_proj_weight", "3.out_proj.weight"]
    assert [name for name, _ in affine_weights(model)] == names
    with refused("no linear"):
        affine_weights(model[1])
    with refused("transposed"):
        affine_weights(nn.ConvTranspose2d(2, 2, 3))


def test_the_low_pass_filter_is_a_cell_and_the_loss() -> None:
    model, batches = smooth_network(0), [noisy_points(10, seed=seed) for seed in range(2)]
    definition = Definition("average", "l2", adaptive=False, logit_norm=False)
    rise = sharpness(model, batches, definition, 0.3, seed=4)
    loss = measure(model, batches, "training-loss")
    found = measure(model, batches, "low-pass-filter@0.3", seed=4)
    assert found.value == pytest.approx(rise.value + loss.value)
    exact = [one + two for one, two in zip(rise.per_batch, loss.per_batch, strict=True)]
    assert found.per_batch == pytest.approx(exact)
    assert len(flat(model)) == 31
