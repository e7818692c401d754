"""Critical radius of a quadratic and of a linear classifier against closed forms."""

from __future__ import annotations

import pytest
import torch
from refusal import refused
from torch import Tensor, nn
from toys import Surface, mean_output, noisy_points, one_point, smooth_network

from sharpness.measures import critical_radius as module
from sharpness.measures.ball import L2, noise_generator
from sharpness.measures.critical_radius import BRACKET, DRAWS, EPSILON, zero_one
from sharpness.measures.measuring import measure

HESSIAN = torch.tensor([[2.0, 1.0], [1.0, 3.0]], dtype=torch.float64)
WEIGHTS = torch.tensor([1.0, 2.0], dtype=torch.float64)


class Quadratic(Surface):
    """½ δᵀ H δ, the oracle's."""

    def height(self, w: Tensor) -> Tensor:
        return (w - WEIGHTS) @ HESSIAN @ (w - WEIGHTS) / 2


def radius(option: str = "", seed: int = 0) -> float:
    model = Quadratic(WEIGHTS)
    name = f"critical-radius{option}"
    return measure(model, [one_point()], name, loss=mean_output, seed=seed).value


def on_the_same_draws(c: Tensor, shift: float = 0.0, seed: int = 0) -> float:
    """√((2Δ − shift) / mean zᵀ(H ⊙ ccᵀ)z) over the draws that are used."""
    z = [L2.noise(WEIGHTS, noise_generator(WEIGHTS.device, seed, 0, d)) for d in range(DRAWS)]
    products = torch.stack([(c * each) @ HESSIAN @ (c * each) for each in z])
    return float(((0.2 - shift) / products.mean()).sqrt())


@pytest.mark.parametrize("seed", range(3))
def test_on_its_own_draws_it_is_exact_to_the_bracket(seed: int) -> None:
    exact = on_the_same_draws(torch.ones(2), seed=seed)
    assert radius(seed=seed) == pytest.approx(exact, rel=BRACKET)
    exact = on_the_same_draws(WEIGHTS, seed=seed)  # ε is a hundredth of the noise
    assert radius("+magnitude", seed) == pytest.approx(exact, rel=BRACKET)


def test_the_closed_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """σ = √(2Δ / tr H) = 0.2, σ′ = 0.1195214, and what the released code reports of both.

    Two draws √2 e₁ and √2 e₂ have the covariance I exactly.
    """
    axes = 2**0.5 * torch.eye(2, dtype=torch.float64)
    monkeypatch.setattr(module, "DRAWS", 2)
    monkeypatch.setattr(module, "unit_noise", lambda norm, like, seed, batch, draw: axes[draw])
    for option, exact in (
        ("", 0.2),
        ("+magnitude", 0.1195214),
        ("+variance", 0.4472136),
        ("+magnitude+variance", 0.2514861),
    ):
        assert radius(option) == pytest.approx(exact, rel=BRACKET / 2), option


def test_the_slip_reports_the_root_of_sigma() -> None:
    assert radius("+variance") == pytest.approx(radius() ** 0.5, rel=BRACKET)


def test_the_standard_error_is_half_of_the_bracket() -> None:
    found = measure(Quadratic(WEIGHTS), [one_point()], "critical-radius", loss=mean_output)
    assert 0 < found.stderr <= found.value * BRACKET / 2
    assert EPSILON == 1e-3


def test_the_error_of_a_linear_classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accuracy falls by 0.1 at σ = 0.7803041 r of one vector w with ⟨w, x⟩ = r ‖x‖.

    The logits of two classes differ by ⟨w₁ − w₂, x⟩, whose noise is √2 times that of one vector.
    The draws are the quantiles of the only part of the noise that matters, along x.
    """
    x, draws = torch.tensor([[3.0, 4.0]], dtype=torch.float64), 200
    model = nn.Linear(2, 2, bias=False).double()
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[0.6, 0.0], [-0.6, 0.0]]))
    r = 1.2 * 3 / 5  # ⟨w₁ − w₂, x⟩ / ‖x‖
    quantile = torch.special.ndtri((torch.arange(draws, dtype=torch.float64) + 0.5) / draws)
    ahead = torch.cat([x[0], -x[0]]) / 5 / 2**0.5
    monkeypatch.setattr(module, "DRAWS", draws)
    monkeypatch.setattr(
        module, "unit_noise", lambda norm, like, seed, batch, draw: quantile[draw] * ahead
    )
    found = measure(model, [(x, torch.zeros(1, dtype=torch.long))], "critical-radius+error")
    assert found.value == pytest.approx(0.7803041 * r / 2**0.5, rel=0.02)


def test_a_tie_is_an_error() -> None:
    logits = torch.tensor([[1.0, 1.0], [2.0, 1.0], [0.0, 1.0]])
    assert zero_one(logits, torch.zeros(3, dtype=torch.long)).item() == pytest.approx(2 / 3)


def test_a_loss_that_no_noise_raises() -> None:
    class Flat(Surface):
        def height(self, w: Tensor) -> Tensor:
            return (1e-3 * w).sum().tanh()

    with refused("no noise raises"):
        measure(Flat(WEIGHTS), [one_point()], "critical-radius", loss=mean_output)


def test_it_needs_no_more_passes_than_it_says() -> None:
    model, batch = smooth_network(0), noisy_points(20, seed=1)
    seen = []
    model.register_forward_hook(lambda *_: seen.append(1))
    measure(model, [batch], "critical-radius")
    assert len(seen) < 250
