"""Geodesic sharpness against closed forms, and its geometry against autodiff."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from toys import Surface, mean_output, normal, one_point

from sharpness.measures.blocks import Pairs
from sharpness.measures.definition import PROTOCOLS
from sharpness.measures.gauge import balance
from sharpness.measures.geodesic import GeodesicBall, Metric, christoffel, horizontal
from sharpness.measures.network import Network
from sharpness.measures.objective import Objective
from sharpness.measures.worst import worst

PROTOCOL = PROTOCOLS["paper"]
METRICS: tuple[Metric, ...] = ("inv", "mix")
Matrices = tuple[Tensor, Tensor]

metrics = st.sampled_from(METRICS)
seeds = st.integers(0, 1000)


def blocks(seed: int) -> tuple[Matrices, Tensor, Matrices]:
    """Two balanced pairs of 5 × 3 and 4 × 3, their s, and a tangent vector."""
    weights = normal(2 * 27, seed=seed)
    index = torch.arange(54).view(2, 27)
    pair = Pairs(index[:, :15].view(2, 5, 3), index[:, 15:].view(2, 4, 3))
    weights, (s,) = balance(weights, [pair])
    xi = normal(54, seed=seed + 1)
    return (weights[pair.G], weights[pair.H]), s, (xi[pair.G], xi[pair.H])


def product(metric: Metric, at: Matrices, one: Matrices, other: Matrices) -> Tensor:
    """⟨ξ, η⟩ of each pair, by Eqs. 9 and 10, at any G and H."""
    P, Q = (part.mT @ part for part in at)
    (a, b), (c, d) = one, other
    left, right = (P.inverse(), Q.inverse()) if metric == "inv" else (Q, P)
    terms = left @ (a.mT @ c), right @ (b.mT @ d)
    return sum(term.diagonal(dim1=-2, dim2=-1).sum(-1) for term in terms)  # type: ignore[return-value]


@given(metrics, seeds)
def test_horizontal_vectors_are_orthogonal_to_the_symmetry(metric: Metric, seed: int) -> None:
    at, s, xi = blocks(seed)
    found = horizontal(metric, *at, s, *xi)
    Lambda = normal(2, 3, 3, seed=seed + 2)
    vertical = at[0] @ Lambda, -at[1] @ Lambda.mT
    assert product(metric, at, found, vertical).abs().max() < 1e-9
    assert product(metric, at, xi, vertical).abs().min() > 1e-9
    again = horizontal(metric, *at, s, *found)
    assert all(torch.allclose(x, y) for x, y in zip(again, found, strict=True))
    left = tuple(x - y for x, y in zip(xi, found, strict=True))
    assert product(metric, at, found, left).abs().max() < 1e-9  # so it is the nearest


@given(metrics, seeds)
def test_the_christoffel_terms_are_those_of_the_metric(metric: Metric, seed: int) -> None:
    """⟨Γ(ξ, ξ), η⟩ = D⟨ξ, η⟩[ξ] − ½ D⟨ξ, ξ⟩[η] for all η; ξ is horizontal, as Eqs. 11, 12 need."""
    at, s, xi = blocks(seed)
    xi = horizontal(metric, *at, s, *xi)
    eta = normal(2, 5, 3, seed=seed + 3), normal(2, 4, 3, seed=seed + 4)

    def slope(one: Matrices, other: Matrices, along: Matrices) -> Tensor:
        def of(G: Tensor, H: Tensor) -> Tensor:
            return product(metric, (G, H), one, other)

        return torch.func.jvp(of, at, along)[1]

    expected = slope(xi, eta, xi) - slope(xi, xi, eta) / 2
    found = product(metric, at, christoffel(metric, *at, s, *xi), eta)
    assert torch.allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_the_worked_example() -> None:
    """G = [[1,0],[0,2],[0,0]], H = diag(2,1): a = E₁₁, b = 0, moved to the balanced gauge."""
    A = torch.diag(torch.tensor([0.5**0.5, 2**0.5], dtype=torch.float64))
    G = torch.tensor([[1.0, 0], [0, 2], [0, 0]], dtype=torch.float64) @ A.inverse()
    H = torch.diag(torch.tensor([2.0, 1.0], dtype=torch.float64)) @ A
    s = torch.tensor([[2.0, 2.0]], dtype=torch.float64)
    at = G[None], H[None]
    assert torch.allclose(G.T @ G, torch.diag(s[0]))
    assert torch.allclose(H.T @ H, torch.diag(s[0]))
    a, b = torch.zeros_like(at[0]), torch.zeros_like(at[1])
    a[0, 0, 0] = 1
    for metric, size, gammas in (("inv", 0.5, (-0.25, -0.5)), ("mix", 2.0, (0.25, 0.5))):
        found = horizontal(metric, *at, s, a @ A.inverse(), b)  # type: ignore[arg-type]
        one, other = found[0] @ A, found[1] @ A.inverse().T
        assert (one[0, 0, 0], other[0, 0, 0]) == pytest.approx((0.5, 1.0))
        assert product(metric, at, found, found).item() == pytest.approx(size)  # type: ignore[arg-type]
        gamma = christoffel(metric, *at, s, *found)  # type: ignore[arg-type]
        one, other = gamma[0] @ A, gamma[1] @ A.inverse().T
        assert (one[0, 0, 0], other[0, 0, 0]) == pytest.approx(gammas)


BETA = torch.tensor([1, -0.5, 0.8, 0.3, -1.2], dtype=torch.float64)
TARGET = torch.tensor([0.9, -0.7, 0.8, 0.1, -1.0], dtype=torch.float64)


class Diagonal(Surface):
    """‖u ⊙ v − β*‖², a diagonal network with XᵀX = I."""

    def __init__(self, u: Tensor, v: Tensor, target: Tensor) -> None:
        super().__init__(torch.cat([u, v]))
        self.target = target

    def height(self, w: Tensor) -> Tensor:
        u, v = w.chunk(2)
        return (u * v - self.target).square().sum()


def steepness(metric: Metric, radius: float, beta: Tensor, target: Tensor, steps: int) -> float:
    """S of a diagonal network at a point of its orbit that is not balanced."""
    size = len(beta)
    u = 1 + normal(size, seed=1).abs()
    entries = torch.arange(2 * size).view(2, size, 1, 1)
    pairs = [Pairs(*entries)]
    weights, _ = balance(torch.cat([u, beta / u]), pairs)
    objective = Objective(Network(Diagonal(*weights.chunk(2), target)), one_point(), mean_output)
    ball = GeodesicBall.at(weights, pairs, metric, radius)
    starts = [partial(normal, 2 * size, seed=seed) for seed in range(2)]
    return max(worst(objective, ball, PROTOCOL, None, steps, start) for start in starts)


@pytest.mark.parametrize(
    ("metric", "radius", "exact"),
    [("mix", 0.1, 0.1219804), ("inv", 0.01, 0.0083362), ("inv", 0.1, 0.1136789)],
)
def test_diagonal_networks(metric: Metric, radius: float, exact: float) -> None:
    """The geodesic is of second order in ρ, so that the relative error falls as ρ²."""
    assert steepness(metric, radius, BETA, TARGET, 60) == pytest.approx(exact, rel=0.5 * radius**2)


def test_the_closed_form_of_mix_at_any_radius() -> None:
    """S = (‖r‖ + √2 ρ)² − ‖r‖², r = β − β*."""
    r, errors = (BETA - TARGET).norm().item(), []
    for radius in (0.2, 0.05):
        exact = (r + 2**0.5 * radius) ** 2 - r**2
        errors.append(abs(steepness("mix", radius, BETA, TARGET, 60) / exact - 1))
    assert errors[1] < 0.1 * errors[0] < 0.1 * 0.02


def test_the_scalar_toy() -> None:
    """max over |b| = ρ/√2 of y₀²(e^{4b} − 1) − 2 y y₀ (e^{2b} − 1) with y₀ = 1.3, y = 1."""
    beta, target = (torch.tensor([each], dtype=torch.float64) for each in (1.3, 1.0))
    assert steepness("inv", 0.1, beta, target, 60) == pytest.approx(0.1574892, rel=5e-3)
