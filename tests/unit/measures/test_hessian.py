"""Trace and largest eigenvalue against dense Hessians, and Propositions 1 and 2 as ρ falls."""

from __future__ import annotations

import pytest
import torch
from refusal import refused
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from toys import Batches, Quadratic, flat, mean_output, noisy_points, one_point, smooth_network

from sharpness import Definition, sharpness
from sharpness.measures.ball import NORMS, noise_generator, scaling
from sharpness.measures.hessian import (
    frobenius_norm,
    largest_eigenvalue,
    rescaled_hessian,
    trace,
)
from sharpness.measures.measuring import measure
from sharpness.measures.network import Network
from sharpness.measures.objective import Objective

BATCH = noisy_points(30, seed=1)


def dense(model: nn.Module, batch: tuple[Tensor, Tensor] = BATCH) -> Tensor:
    """∇²L by differentiating twice."""
    sizes = [p.numel() for p in model.parameters()]

    def loss(weights: Tensor) -> Tensor:
        pieces = zip(model.named_parameters(), weights.split(sizes), strict=True)
        state = {name: piece.view(value.shape) for (name, value), piece in pieces}
        return cross_entropy(torch.func.functional_call(model, state, (batch[0],)), batch[1])

    return torch.autograd.functional.hessian(loss, flat(model))  # type: ignore[no-untyped-call]


def gradient(model: nn.Module) -> Tensor:
    objective = Objective(Network(model), BATCH, cross_entropy)
    return objective.loss_and_gradient(flat(model), None)[1]


@pytest.mark.parametrize("adaptive", [False, True])
def test_trace_and_eigenvalue_are_those_of_the_dense_hessian(adaptive: bool) -> None:
    model = smooth_network(0)
    c = scaling(flat(model), adaptive)
    exact = dense(model) * torch.outer(c, c)
    inputs, labels = BATCH
    uneven: Batches = [(inputs[:23], labels[:23]), (inputs[23:], labels[23:])]
    with rescaled_hessian(model, uneven, c) as operator:
        assert trace(operator) == pytest.approx(exact.trace().item())
        assert largest_eigenvalue(operator) == pytest.approx(
            torch.linalg.eigvalsh(exact)[-1].item()
        )
        assert frobenius_norm(operator) == pytest.approx(exact.norm().item())
        squared = [frobenius_norm(operator, draws=20, seed=seed) ** 2 for seed in range(8)]
        estimates = [trace(operator, draws=20, seed=seed) for seed in (0, *range(8))]
    assert sum(squared) / 8 == pytest.approx(exact.square().sum().item(), rel=0.15)
    assert estimates[0] == estimates[1] != estimates[2]
    assert sum(estimates[1:]) / 8 == pytest.approx(exact.trace().item(), rel=0.15)


def test_the_worked_example_of_the_measures() -> None:
    """H = [[2, 1], [1, 3]] at w = (1, 2): c = 1, then c = |w|."""
    hessian = torch.tensor([[2.0, 1.0], [1.0, 3.0]], dtype=torch.float64)
    model = Quadratic(torch.tensor([1.0, 2.0], dtype=torch.float64), hessian)
    for option, exact in (
        ("", (5.0, 3.6180340, 3.8729833)),
        ("+adaptive", (14.0, 12.3851648, 12.4899960)),
    ):
        names = [f"hessian-{what}{option}" for what in ("trace", "largest", "frobenius")]
        found = [measure(model, [one_point()], name, loss=mean_output).value for name in names]
        assert found == pytest.approx(exact, abs=1e-7)


def test_the_largest_eigenvalue_is_not_the_largest_in_modulus() -> None:
    hessian = torch.diag(torch.tensor([-9.0, -3.0, 1.0, 0.5], dtype=torch.float64))
    model = Quadratic(torch.zeros(4, dtype=torch.float64), hessian)
    with rescaled_hessian(model, [one_point()], torch.ones(4), loss=mean_output) as operator:
        assert largest_eigenvalue(operator) == pytest.approx(1.0)
        assert trace(operator) == pytest.approx(-10.5)


def test_attention_has_second_derivatives(vit: nn.Module, points: Batches) -> None:
    c = flat(vit).abs()
    with rescaled_hessian(vit, points, c, scale="rms") as operator:
        assert largest_eigenvalue(operator) > 0


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("logit_norm", [False, True])
def test_proposition_2(adaptive: bool, logit_norm: bool) -> None:
    """Average-case sharpness over ρ²/2 tends to the trace, whatever the gradient."""
    model = smooth_network(7)  # none of its logit vectors is nearly constant
    definition = Definition("average", "l2", adaptive, logit_norm)
    c = scaling(flat(model), adaptive)
    scale = "rms" if logit_norm else None
    with rescaled_hessian(model, [BATCH], c, scale=scale) as operator:  # type: ignore[arg-type]
        limit = trace(operator)
        noise = [NORMS["l2"].noise(c, noise_generator(c.device, 0, 0, i)) for i in range(500)]
        columns = torch.stack(noise, dim=1)
        on_these_draws = (columns * (operator @ columns)).sum(dim=0).mean().item()
    errors = []
    for radius in (1e-2, 1e-3):
        found = sharpness(model, [BATCH], definition, radius, samples=500, antithetic=True)
        measured, noise_of_it = (x / (radius**2 / 2) for x in (found.value, found.stderr))
        errors.append(abs(measured - on_these_draws))
    assert abs(measured - limit) < 4 * noise_of_it
    assert noise_of_it < 0.1 * abs(limit)
    # What is left is of second order in ρ: a hundredth at a tenth of the radius.
    assert errors[1] < 0.02 * errors[0]
    assert errors[1] < 1e-3 * abs(limit)


def test_uniform_noise_has_a_third_of_it() -> None:
    model = smooth_network(0)
    definition = Definition("average", "linf", adaptive=True, logit_norm=False)
    with rescaled_hessian(model, [BATCH], flat(model).abs()) as operator:
        limit = trace(operator)
    found = sharpness(model, [BATCH], definition, 0.01, samples=1000, antithetic=True)
    assert abs(found.value - 0.01**2 * limit / 6) < 4 * found.stderr
    assert found.stderr < 0.1 * found.value


@pytest.mark.parametrize("adaptive", [False, True])
def test_proposition_1_at_a_minimum(adaptive: bool) -> None:
    """Worst-case ℓ2 sharpness over ρ²/2 tends to the largest eigenvalue."""
    model = smooth_network(0)
    batch = BATCH[0], model(BATCH[0]).detach()  # its own outputs: the loss is zero, and least
    definition = Definition("worst", "l2", adaptive, logit_norm=False)
    c = scaling(flat(model), adaptive)
    with rescaled_hessian(model, [batch], c, loss=mse_loss) as operator:
        limit = largest_eigenvalue(operator)
    errors = []
    for radius in (3, 1, 0.3):
        found = sharpness(model, [batch], definition, radius, steps=50, loss=mse_loss)
        errors.append(abs(found.value / (radius**2 / 2) - limit) / limit)
    assert errors[2] < 1e-2
    assert errors[2] < 0.3 * errors[1] < 0.09 * errors[0]


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("adaptive", [False, True])
def test_away_from_a_minimum_the_first_order_wins(norm: str, adaptive: bool) -> None:
    """Worst-case sharpness over ρ tends to ‖∇L ⊙ c‖_q with q dual to the ball's norm."""
    model = smooth_network(0)
    definition = Definition("worst", norm, adaptive, logit_norm=False)  # type: ignore[arg-type]
    c = scaling(flat(model), adaptive)
    limit = (c * gradient(model)).norm(p=2 if norm == "l2" else 1).item()
    errors = [
        abs(sharpness(model, [BATCH], definition, radius).value / radius - limit) / limit
        for radius in (1e-2, 1e-3, 1e-4)
    ]
    assert errors[2] < 1e-3
    assert errors[2] < 0.2 * errors[1] < 0.04 * errors[0]


class Words(nn.Module):
    """The mean of nonlinear embeddings, and a head."""

    def __init__(self, **options: object) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.words = nn.Embedding(6, 4, **options).double()  # type: ignore[arg-type]
            self.head = nn.Linear(4, 3).double()

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.words(ids).tanh().mean(dim=1))


IDS = torch.tensor([[1, 2, 3], [1, 1, 4], [5, 2, 2], [3, 4, 5]])
PADDED = torch.tensor([[0, 2, 3], [1, 0, 4], [5, 2, 0], [3, 0, 5]])


@pytest.mark.parametrize(
    ("options", "later"),
    [
        ({"padding_idx": 0}, PADDED),
        ({"max_norm": 2.5}, IDS),  # which the norms of some words exceed
        ({"scale_grad_by_freq": True}, IDS),
    ],
)
def test_embeddings_whose_gradients_are_no_derivatives(
    options: dict[str, object], later: Tensor
) -> None:
    labels, ones = torch.tensor([0, 1, 2, 1]), torch.ones(6 * 4 + 3 * 5)
    model, batches = Words(**options), [(IDS, labels), (later, labels)]
    with refused("not the derivative"), rescaled_hessian(model, batches, ones):
        pass
    with rescaled_hessian(model, batches, torch.ones(15), parameters="head") as head:
        assert trace(head) > 0


@pytest.mark.parametrize("options", [{"padding_idx": 0}, {"max_norm": 100.0}])
def test_options_of_embeddings_that_do_not_bind(options: dict[str, object]) -> None:
    batch = IDS, torch.tensor([0, 1, 2, 1])
    exact = dense(Words(), batch)
    with rescaled_hessian(Words(**options), [batch], torch.ones(len(exact))) as operator:
        assert trace(operator) == pytest.approx(exact.trace().item())
