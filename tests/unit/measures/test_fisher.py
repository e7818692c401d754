"""Fisher-Rao norm, Fisher trace, relative flatness and gradient norms against closed forms."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from toys import Batches, flat, noisy_points, normal, smooth_network

from sharpness.measures.blocks import NotApplicable
from sharpness.measures.fisher_rao import DRAWS
from sharpness.measures.measuring import measure

BATCH = noisy_points(30, seed=1)


def relu_network(layers: int) -> nn.Module:
    """Without biases, 3 → 5 → … → 3."""
    with torch.random.fork_rng():
        torch.manual_seed(layers)
        widths = [3, *[5] * (layers - 1), 3]
        pairs = itertools.pairwise(widths)
        parts = [part for a, b in pairs for part in (nn.Linear(a, b, bias=False), nn.ReLU())]
    return nn.Sequential(*parts[:-1]).double()


def variance(z: Tensor) -> Tensor:
    """Var_π(z), π = softmax(z), of each example."""
    pi = z.softmax(dim=1)
    return (pi * z.square()).sum(dim=1) - (pi * z).sum(dim=1).square()


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_the_fisher_rao_norm_of_a_relu_network(layers: int) -> None:
    """ℓ² mean Var_π(z), for the logits are homogeneous of degree ℓ."""
    model = relu_network(layers)
    exact = layers**2 * variance(model(BATCH[0]).detach()).mean().item()
    for micro_batch in (None, 7):
        found = measure(model, [BATCH], "fisher-rao", micro_batch=micro_batch)
        assert found.value == pytest.approx(exact)


def scores(model: nn.Module, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients (n, K, p) of the loss of each example for each label, and π (n, K)."""
    found = []
    for x in inputs:
        rows = []
        for label in range(3):
            loss = cross_entropy(model(x[None]), torch.tensor([label]))
            gradients = torch.autograd.grad(loss, list(model.parameters()))
            rows.append(torch.cat([g.flatten() for g in gradients]))
        found.append(torch.stack(rows))
    return torch.stack(found), model(inputs).detach().softmax(dim=1)


def test_the_fisher_rao_norm_is_the_quadratic_form_of_the_fisher_matrix() -> None:
    model = smooth_network(0)
    each, pi = scores(model, BATCH[0])
    exact = (pi * (each @ flat(model)).square()).sum(dim=1).mean().item()
    assert measure(model, [BATCH], "fisher-rao").value == pytest.approx(exact)


def test_the_fisher_trace_by_drawn_labels() -> None:
    model = smooth_network(0)
    each, pi = scores(model, BATCH[0])
    for option, c in (("", torch.ones(31)), ("+adaptive", flat(model).abs())):
        exact = (pi * (c * each).square().sum(dim=2)).sum(dim=1).mean().item()
        seeds = range(20)
        found = [measure(model, [BATCH], f"fisher-trace{option}", seed=s) for s in seeds]
        values = torch.tensor([estimate.value for estimate in found])
        assert values.std() > 0
        assert abs(values.mean() - exact) < 4 * values.std() / len(seeds) ** 0.5
        assert values.std().item() < 0.4 * exact
        inner = torch.tensor([estimate.stderr for estimate in found]).mean()
        assert inner.item() == pytest.approx(values.std().item(), rel=0.5)
    assert DRAWS == 10


def test_relative_flatness_worked_example() -> None:
    """φ = (2, 0), (0, 1), W = I₂, b = 0."""
    model = nn.Sequential(nn.Linear(2, 2)).double()
    with torch.no_grad():
        model[0].weight.copy_(torch.eye(2))
        model[0].bias.zero_()
    inputs = torch.tensor([[2.0, 0], [0, 1]], dtype=torch.float64)
    found = measure(model, [(inputs, torch.tensor([0, 1]))], "relative-flatness")
    assert found.value == pytest.approx(0.6165863, abs=1e-7)


def blocks_of_the_hessian(phi: Tensor, W: Tensor, b: Tensor, labels: Tensor) -> Tensor:
    """tr H_{s,s'} (K, K), by differentiating the loss twice."""

    def loss(weight: Tensor) -> Tensor:
        return cross_entropy(phi @ weight.T + b, labels)

    return torch.autograd.functional.hessian(loss, W).diagonal(dim1=1, dim2=3).sum(-1)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("option", ["", "+normalized"])
def test_relative_flatness_is_that_of_the_hessian(option: str) -> None:
    model = smooth_network(2)
    phi = model[:2](BATCH[0]).detach()
    W, b = (value.detach() for value in model[2].parameters())
    if option:
        sigma = phi.std(dim=0, unbiased=False)
        phi, W = phi / sigma, W * sigma
    exact = ((W @ W.T) * blocks_of_the_hessian(phi, W, b, BATCH[1])).sum().item()
    uneven: Batches = [(BATCH[0][:18], BATCH[1][:18]), (BATCH[0][18:], BATCH[1][18:])]
    for micro_batch in (None, 5):
        found = measure(model, uneven, f"relative-flatness{option}", micro_batch=micro_batch)
        assert found.value == pytest.approx(exact)


def test_logits_that_no_linear_layer_returns() -> None:
    model = nn.Sequential(smooth_network(0), nn.Tanh())
    with pytest.raises(NotApplicable, match="not the outputs of a linear layer"):
        measure(model, [BATCH], "relative-flatness")
    sequence = nn.Linear(3, 3).double()
    batch = normal(4, 5, 3, seed=0), torch.zeros(4, 3, dtype=torch.long)
    with pytest.raises(NotApplicable, match="no logits of classes"):
        measure(sequence, [batch], "fisher-rao")


def test_the_hook_on_the_last_layer_is_taken_off() -> None:
    model = smooth_network(0)
    measure(model, [BATCH], "relative-flatness")
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_gradient_norms() -> None:
    model = smooth_network(0)
    gradients = torch.autograd.grad(
        cross_entropy(model(BATCH[0]), BATCH[1]), list(model.parameters())
    )
    g = torch.cat([part.flatten() for part in gradients])
    assert measure(model, [BATCH], "gradient-norm").value == pytest.approx(g.norm().item())
    exact = (flat(model) * g).norm().item()
    assert measure(model, [BATCH], "gradient-norm+adaptive").value == pytest.approx(exact)
