"""The perturbation sets: feasible, nearest, steepest."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from toys import SHAPES, normal

from sharpness.measures.ball import NORMS, TOLERANCE, Ball, ball, length, noise_generator, scaling
from sharpness.measures.definition import PROTOCOLS, Definition

PAPER, RELEASED = PROTOCOLS["paper"], PROTOCOLS["released"]
WEIGHTS = torch.tensor([0.5, -2.0, 0.0, 1e-3, 3.0], dtype=torch.float64)

shapes = st.sampled_from(SHAPES)
seeds = st.integers(0, 10_000)
radii = st.floats(1e-3, 10)


def make(shape: tuple[str, bool], radius: float, weights: Tensor, protocol: str) -> Ball:
    norm, adaptive = shape
    definition = Definition("worst", norm, adaptive, False)  # type: ignore[arg-type]
    return ball(definition, radius, scaling(weights, adaptive), PROTOCOLS[protocol])


def size(shape: tuple[str, bool], delta: Tensor, weights: Tensor) -> float:
    """The norm of δ / c; infinite if a weight moves that cannot."""
    norm, adaptive = shape
    c = weights.abs() if adaptive else torch.ones_like(weights)
    assert (delta[c == 0] == 0).all()
    scaled = (delta / c)[c > 0]
    return float(scaled.norm() if norm == "l2" else scaled.abs().max())


@given(shapes, radii, seeds, st.sampled_from(["paper", "released"]))
def test_starts_steps_and_projections_are_feasible(
    shape: tuple[str, bool], radius: float, seed: int, protocol: str
) -> None:
    feasible = make(shape, radius, WEIGHTS, protocol)
    start = feasible.start(normal(5, seed=seed).clamp(-1, 1))
    assert size(shape, feasible.perturbation(start), WEIGHTS) <= radius * (1 + 1e-9) + TOLERANCE
    far = start + 10 * radius * feasible.ascent_(normal(5, seed=seed + 1))
    inside = feasible.project_(far.clone())
    assert size(shape, feasible.perturbation(inside), WEIGHTS) <= radius * (1 + 1e-9) + TOLERANCE
    assert size(shape, feasible.perturbation(far), WEIGHTS) > radius


@given(shapes, radii, seeds, st.sampled_from(["paper", "released"]))
def test_a_feasible_point_is_its_own_projection(
    shape: tuple[str, bool], radius: float, seed: int, protocol: str
) -> None:
    feasible = make(shape, radius, WEIGHTS, protocol)
    point = 0.99 * feasible.start(normal(5, seed=seed).clamp(-1, 1))
    assert torch.equal(feasible.project_(point.clone()), point)


@given(shapes, seeds)
def test_a_unit_step_is_the_steepest(shape: tuple[str, bool], seed: int) -> None:
    """No other point of the unit ball has a larger product with the gradient."""
    feasible, slope = make(shape, 1.0, WEIGHTS, "paper"), normal(5, seed=seed)
    gain = slope @ feasible.perturbation(feasible.ascent_(slope.clone()))
    others = normal(500, 5, seed=seed + 1)
    others /= others.norm(dim=1, keepdim=True) if shape[0] == "l2" else others.abs().amax(1, True)
    assert gain >= (feasible.perturbation(others) @ slope).max()
    c = WEIGHTS.abs() if shape[1] else torch.ones(5)
    dual = 2 if shape[0] == "l2" else 1
    assert gain.item() == pytest.approx((c * slope).norm(p=dual).item())


@given(seeds, st.sampled_from(["paper", "released"]))
def test_l2_starts_lie_on_the_sphere_whatever_is_zero(seed: int, protocol: str) -> None:
    for adaptive in (False, True):
        feasible = make(("l2", adaptive), 0.3, WEIGHTS, protocol)
        start = feasible.perturbation(feasible.start(normal(5, seed=seed)))
        assert size(("l2", adaptive), start, WEIGHTS) == pytest.approx(0.3)


def test_a_length_is_right_for_millions_of_weights_in_float32() -> None:
    """As many as the paper's ViT has; a running sum would lose the small terms."""
    many = torch.full((19_000_000,), 0.1)
    assert length(many).item() == pytest.approx(0.1 * 19_000_000**0.5, rel=1e-6)


def test_projections_are_the_nearest_points() -> None:
    far = torch.tensor([3.0, -4.0, 0.0], dtype=torch.float64)
    ones = torch.ones(3, dtype=torch.float64)
    near = make(("l2", False), 1.0, ones, "paper").project_(far.clone())
    assert torch.allclose(near, torch.tensor([0.6, -0.8, 0.0], dtype=torch.float64))
    near = make(("linf", False), 1.0, ones, "paper").project_(far.clone())
    assert torch.equal(near, torch.tensor([1.0, -1.0, 0.0], dtype=torch.float64))


@given(seeds, radii)
def test_the_released_projection_is_the_nearest_point_of_the_ellipsoid(
    seed: int, radius: float
) -> None:
    """On the surface, and displaced along its normal: x − p = 2λ p / c² with one λ ≥ 0."""
    c = 0.1 + normal(6, seed=seed).abs()
    x = 5 * radius * c * normal(6, seed=seed + 1)
    p = make(("l2", True), radius, c, "released").project_(x.clone())
    assert (x / c).norm() > radius
    assert abs(float((p / c).norm()) - radius) <= TOLERANCE
    multipliers = (x - p) * c.square() / p
    assert multipliers.min() > 0
    assert torch.allclose(p + multipliers.mean() * p / c.square(), x, rtol=1e-9)


def test_the_released_projection_tolerates_what_its_bisection_would() -> None:
    feasible = make(("l2", True), 1.0, torch.ones(1, dtype=torch.float64), "released")
    nearly = torch.tensor([1 + TOLERANCE / 2], dtype=torch.float64)
    assert torch.equal(feasible.project_(nearly.clone()), nearly)


def test_a_zero_weight_switches_the_released_projection_off_only_on_request() -> None:
    definition = Definition("worst", "l2", True, False)
    far = torch.tensor([9.0, 9.0, 0.0, 9.0, 9.0], dtype=torch.float64)
    assert (ball(definition, 1.0, WEIGHTS.abs(), RELEASED).project_(far.clone()) / WEIGHTS)[
        [0, 1, 3, 4]
    ].norm() < 2
    literal = replace(RELEASED, zero_weight_skips_projection=True)
    assert torch.equal(ball(definition, 1.0, WEIGHTS.abs(), literal).project_(far.clone()), far)
    whole = ball(definition, 1.0, WEIGHTS[:2].abs(), literal)
    assert not torch.equal(whole.project_(far[:2].clone()), far[:2])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("protocol", ["paper", "released"])
def test_without_a_gradient_there_is_no_step_and_no_nan(
    shape: tuple[str, bool], protocol: str
) -> None:
    for weights in (WEIGHTS, torch.zeros(5, dtype=torch.float64)):
        feasible = make(shape, 1.0, weights, protocol)
        still = feasible.ascent_(torch.zeros(5, dtype=torch.float64))
        assert torch.equal(feasible.project_(still), torch.zeros(5, dtype=torch.float64))
        start = feasible.perturbation(feasible.start(normal(5, seed=0).clamp(-1, 1)))
        assert start.isfinite().all()


def test_noise_has_the_moments_of_app_h_4() -> None:
    like = torch.empty(200_000, dtype=torch.float64)
    gaussian = NORMS["l2"].noise(like, noise_generator(like.device, 0))
    uniform = NORMS["linf"].noise(like, noise_generator(like.device, 0))
    for sample, variance, kurtosis in ((gaussian, 1.0, 3.0), (uniform, 1 / 3, 1.8)):
        assert sample.mean().abs() < 0.01
        assert sample.var().item() == pytest.approx(variance, rel=0.02)
        assert (sample**4).mean().item() == pytest.approx(kurtosis * variance**2, rel=0.05)
    assert uniform.abs().max() <= 1


def test_noise_is_a_function_of_its_key() -> None:
    like = torch.empty(8)

    def draw(*key: int) -> Tensor:
        return NORMS["l2"].noise(like, noise_generator(like.device, *key))

    torch.manual_seed(1)
    first = draw(0, 1, 2)
    torch.manual_seed(2)
    assert torch.equal(draw(0, 1, 2), first)
    keys = [(0, 1, 2), (1, 0, 2), (0, 2, 1), (0, 1, 3), (1, 1, 2)]
    assert len({tuple(draw(*key).tolist()) for key in keys}) == len(keys)
