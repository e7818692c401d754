"""The loss as a function of flat weights, and logit normalization."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from toys import (
    LiveBytes,
    Words,
    counted,
    flat,
    noisy_points,
    normal,
    outputs_at,
    sentences,
    smooth_network,
)

from sharpness.io.errors import UserError
from sharpness.measures.network import Network, evaluation_mode
from sharpness.measures.objective import LogitScale, Objective, normalized


def test_eq_5_divides_by_the_root_mean_square_of_the_centred_logits() -> None:
    logits = torch.tensor([[1.0, 2.0, 3.0, 6.0]], dtype=torch.float64)
    # Mean 3; deviations -2, -1, 0, 3; mean square 14 / 4.
    assert torch.allclose(normalized(logits, "rms"), logits / 3.5**0.5)


def test_the_released_form_is_centred_and_smaller_by_the_root_of_the_classes() -> None:
    logits = normal(5, 7, seed=0)
    ours, released = normalized(logits, "rms"), normalized(logits, "norm")
    assert torch.allclose(released.norm(dim=-1), torch.ones(5, dtype=torch.float64))
    assert torch.allclose(released.sum(dim=-1), torch.zeros(5, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(ours - ours.mean(-1, keepdim=True), 7**0.5 * released)


@given(st.floats(1e-6, 1e6), st.integers(0, 1000))
def test_normalized_logits_do_not_depend_on_scale(factor: float, seed: int) -> None:
    logits = normal(4, 10, seed=seed)
    for scale in ("rms", "norm"):
        assert torch.allclose(normalized(factor * logits, scale), normalized(logits, scale))


def test_raw_logits_are_left_alone() -> None:
    logits = normal(4, 10, seed=0)
    assert normalized(logits, None) is logits


@pytest.mark.parametrize("scale", ["rms", "norm"])
@pytest.mark.parametrize("constant", [0.0, 0.1, -3e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_constant_logits_have_a_finite_loss_and_gradient(
    scale: str, constant: float, dtype: torch.dtype
) -> None:
    logits = torch.full((3, 10), constant, dtype=dtype, requires_grad=True)
    loss = cross_entropy(normalized(logits, scale), torch.tensor([0, 1, 2]))  # type: ignore[arg-type]
    loss.backward()
    assert loss.item() == pytest.approx(torch.tensor(10.0).log().item(), rel=1e-3)
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_the_network_is_the_model_at_other_weights() -> None:
    model, other = smooth_network(0), smooth_network(1)
    inputs, _ = noisy_points(5, 0)
    network = Network(model)
    assert torch.equal(network.weights, flat(model))
    assert torch.equal(outputs_at(network, flat(other), inputs), other(inputs))
    assert torch.equal(flat(model), flat(smooth_network(0)))


def test_the_gradient_is_that_of_autograd() -> None:
    model, (inputs, labels) = smooth_network(0), noisy_points(5, 0)
    cross_entropy(model(inputs), labels).backward()
    expected = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    with torch.no_grad():  # an evaluation script may well be inside such a block
        objective = Objective(Network(model), (inputs, labels), cross_entropy)
        loss, gradient = objective.loss_and_gradient(flat(model), None)
    assert torch.allclose(gradient, expected)
    assert loss == pytest.approx(objective.unperturbed(None))
    assert not gradient.requires_grad


def test_one_forward_and_one_backward_pass() -> None:
    model = smooth_network(0)
    passes = counted(model)
    objective = Objective(Network(model), noisy_points(5, 0), cross_entropy)
    objective.loss_and_gradient(flat(model), "rms")
    assert passes == {"forward": 1, "backward": 1}
    losses = objective.losses(flat(model), [None, "rms", "norm"])
    assert passes == {"forward": 2, "backward": 1}
    assert len(set(losses)) == 3


def test_evaluation_mode_restores_every_flag() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2)))
    model.train()
    model[1][1].eval()
    before = [module.training for module in model.modules()]
    with evaluation_mode(model):
        assert not any(module.training for module in model.modules())
    assert [module.training for module in model.modules()] == before
    with pytest.raises(RuntimeError, match="shapes"), evaluation_mode(model):
        model(torch.ones(1, 3))
    assert [module.training for module in model.modules()] == before
    assert sorted(before) == [False, True, True, True, True]


class Counting(nn.Module):
    """A model that writes to a buffer whenever it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 2))
        self.register_buffer("runs", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1  # type: ignore[operator]
        return x @ self.weight


def test_buffers_are_not_written_to() -> None:
    model = Counting()
    outputs_at(Network(model), torch.zeros(4), torch.ones(1, 2))
    assert model.runs == 0


class Tied(nn.Module):
    """The output layer shares its weights with the embedding, as in language models."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 3)
        self.head = nn.Linear(3, 5, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor, scale: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=self.head(self.embedding(tokens)) * scale[:, None])


def test_keyword_inputs_outputs_with_logits_and_tied_weights() -> None:
    model = Tied()
    inputs = {"scale": torch.tensor([2.0, 3.0]), "tokens": torch.tensor([0, 4])}
    network = Network(model)
    assert len(network.weights) == 15
    changed = copy.deepcopy(model)
    with torch.no_grad():
        changed.embedding.weight.mul_(2)
    assert torch.equal(outputs_at(network, 2 * network.weights, inputs), changed(**inputs).logits)


def test_a_model_without_parameters_is_refused() -> None:
    with pytest.raises(UserError, match="no parameters"):
        Network(nn.ReLU())


@pytest.mark.parametrize("dtype", [torch.int64, torch.complex64])
def test_a_parameter_that_is_not_floating_point_is_refused(dtype: torch.dtype) -> None:
    model = nn.Linear(2, 2)
    model.codes = nn.Parameter(torch.ones(2, dtype=dtype), requires_grad=False)
    with pytest.raises(UserError, match=f"'codes' is {dtype}"):
        Network(model)


def test_an_unperturbed_loss_that_is_not_finite_is_refused() -> None:
    model = nn.Linear(2, 2)
    with torch.no_grad():
        model.bias[0] = torch.nan
    objective = Objective(Network(model), (torch.ones(1, 2), torch.zeros(1).long()), cross_entropy)
    with pytest.raises(UserError, match="unperturbed model is nan"):
        objective.unperturbed(None)


def test_an_empty_batch_is_refused() -> None:
    empty = torch.ones(0, 2), torch.zeros(0).long()
    with pytest.raises(UserError, match="no examples"):
        Objective(Network(nn.Linear(2, 2)), empty, cross_entropy)


@pytest.mark.parametrize("micro_batch", [1, 3, 4, 7])
@pytest.mark.parametrize("scale", [None, "rms", "norm"])
def test_pieces_of_a_batch_add_up_to_the_whole(micro_batch: int, scale: LogitScale) -> None:
    model, batch = smooth_network(0), noisy_points(8, 0)
    whole = Objective(Network(model), batch, cross_entropy)
    pieces = Objective(Network(model), batch, cross_entropy, micro_batch)
    weights = flat(smooth_network(1))
    loss, gradient = whole.loss_and_gradient(weights, scale)
    found, total = pieces.loss_and_gradient(weights, scale)
    assert found == pytest.approx(loss, rel=1e-12)
    assert torch.allclose(total, gradient, rtol=1e-12, atol=1e-14)
    assert pieces.losses(weights, [scale, None]) == pytest.approx(
        whole.losses(weights, [scale, None]), rel=1e-12
    )
    assert pieces.unperturbed(scale) == pytest.approx(whole.unperturbed(scale), rel=1e-12)
    assert pieces.examples == 8


@pytest.mark.parametrize("micro_batch", [8, 9])
def test_a_batch_that_fits_is_not_divided(micro_batch: int) -> None:
    model, batch = smooth_network(0).float(), noisy_points(8, 0)
    batch = batch[0].float(), batch[1]
    whole = Objective(Network(model), batch, cross_entropy)
    found = Objective(Network(model), batch, cross_entropy, micro_batch)
    weights, expected = flat(model), whole.loss_and_gradient(flat(model), "rms")
    loss, gradient = found.loss_and_gradient(weights, "rms")
    assert loss == expected[0]
    assert torch.equal(gradient, expected[1])
    assert found.losses(weights, [None, "norm"]) == whole.losses(weights, [None, "norm"])


def test_each_piece_goes_through_the_network_once() -> None:
    model = smooth_network(0)
    passes, sizes = counted(model), []
    model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    objective = Objective(Network(model), noisy_points(8, 0), cross_entropy, 3)
    objective.loss_and_gradient(flat(model), None)
    assert passes == {"forward": 3, "backward": 3}
    assert sizes == [3, 3, 2]


def test_the_graph_of_a_piece_is_freed_before_the_next_piece() -> None:
    """So that the last step of Auto-PGD takes no more memory than the others."""
    network = Network(smooth_network(0, hidden=200))
    inputs, targets = noisy_points(400, seed=1)
    peaks = []
    for examples in (100, 400):
        objective = Objective(network, (inputs[:examples], targets[:examples]), cross_entropy, 100)
        with LiveBytes() as live:
            objective.losses(network.weights, [None], graph=True)
        peaks.append(live.peak)
    assert peaks[1] < 1.1 * peaks[0]


def test_keyword_tensors_are_divided_alike() -> None:
    model, batch = Words(), sentences(7, words=9, seed=0)
    whole = Objective(Network(model), batch, cross_entropy)
    pieces = Objective(Network(model), batch, cross_entropy, 2)
    loss, gradient = whole.loss_and_gradient(flat(model), "rms")
    found, total = pieces.loss_and_gradient(flat(model), "rms")
    assert found == pytest.approx(loss, rel=1e-12)
    assert torch.allclose(total, gradient, rtol=1e-12, atol=1e-14)
    unseen = gradient[: 12 * 4].view(12, 4)[9:]
    assert torch.equal(unseen, torch.zeros(3, 4, dtype=torch.float64))


@pytest.mark.parametrize("micro_batch", [0, -2])
def test_a_piece_without_examples_is_refused(micro_batch: int) -> None:
    with pytest.raises(UserError, match=f"micro_batch is {micro_batch}; it must be at least 1"):
        Objective(Network(smooth_network(0)), noisy_points(4, 0), cross_entropy, micro_batch)
