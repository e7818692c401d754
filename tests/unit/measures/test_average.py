"""Average-case sharpness against closed forms, and its standard error."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn
from toys import (
    Batches,
    Linear,
    Quadratic,
    mean_output,
    noisy_points,
    normal,
    one_point,
    positive_definite,
    smooth_network,
)

from sharpness import Cell, Definition, Estimate, sharpness, sharpness_table
from sharpness.measures.average import combine_batches
from sharpness.measures.cell_values import Effort

WEIGHTS, HESSIAN = normal(6, seed=1), positive_definite(6, seed=2)
GAUSSIAN = Definition("average", "l2", adaptive=False, logit_norm=False)


def on_surface(model: nn.Module, definition: Definition, **settings: object) -> Estimate:
    """Sharpness of a toy surface on one point, at radius 0.3."""
    settings = {"loss": mean_output, "seed": 3, **settings}
    return sharpness(model, [one_point()], definition, 0.3, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(("norm", "divisor"), [("l2", 2), ("linf", 6)])
@pytest.mark.parametrize("adaptive", [False, True])
def test_a_quadratic_has_its_trace(norm: str, divisor: int, adaptive: bool) -> None:
    """ρ² tr(H ⊙ ccᵀ) / 2 for Gaussian noise and / 6 for uniform noise: neither is rescaled."""
    c = WEIGHTS.abs() if adaptive else torch.ones(6)
    definition = Definition("average", norm, adaptive, False)  # type: ignore[arg-type]
    found = on_surface(Quadratic(WEIGHTS, HESSIAN), definition, samples=4000)
    exact = 0.3**2 * (c.square() * HESSIAN.diag()).sum().item() / divisor
    assert abs(found.value - exact) < 4 * found.stderr
    assert found.stderr < 0.03 * exact


def test_fewer_draws_of_a_cell_are_the_first_of_the_others() -> None:
    model = Quadratic(WEIGHTS, HESSIAN)
    fewer, all_draws = Cell(GAUSSIAN, 0.3, samples=3), Cell(GAUSSIAN, 0.3)
    settings: Any = {"loss": mean_output, "seed": 3}
    found = sharpness_table(
        model, [one_point()], [fewer, all_draws], effort=Effort(samples=6), **settings
    )
    assert found[fewer] == on_surface(model, GAUSSIAN, samples=3)
    assert found[all_draws] == on_surface(model, GAUSSIAN, samples=6)
    assert Cell.parse(fewer.id) == fewer


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("adaptive", [False, True])
def test_antithetic_pairs_cancel_the_first_order(norm: str, adaptive: bool) -> None:
    definition = Definition("average", norm, adaptive, False)  # type: ignore[arg-type]
    slope = Linear(WEIGHTS, normal(6, seed=4))
    assert abs(on_surface(slope, definition, samples=10).value) > 1e-3
    pairs = on_surface(slope, definition, samples=10, antithetic=True)
    assert abs(pairs.value) < 1e-15
    assert pairs.stderr < 1e-15
    # A quadratic at its minimum has no first order: pairs change nothing.
    bowl = Quadratic(WEIGHTS, HESSIAN)
    alone = on_surface(bowl, definition, samples=10)
    paired = on_surface(bowl, definition, samples=10, antithetic=True)
    assert paired.value == pytest.approx(alone.value, rel=1e-12)


def test_a_pair_is_one_draw_and_two_passes() -> None:
    model, passes = Quadratic(WEIGHTS, HESSIAN), []
    model.register_forward_hook(lambda *_: passes.append(1))
    on_surface(model, GAUSSIAN, samples=7)
    assert len(passes) == 3 + 1 + 7  # three check the model
    passes.clear()
    on_surface(model, GAUSSIAN, samples=7, antithetic=True)
    assert len(passes) == 3 + 1 + 2 * 7


def test_the_standard_error_covers_the_truth() -> None:
    """Over 300 seeds, 95 % intervals of 40 draws hold the known value about 95 % of the time."""
    model = Quadratic(WEIGHTS, HESSIAN)
    exact = 0.3**2 * HESSIAN.trace().item() / 2
    estimates = [on_surface(model, GAUSSIAN, samples=40, seed=seed) for seed in range(300)]
    covered = sum(abs(e.value - exact) < 1.96 * e.stderr for e in estimates)
    assert 270 <= covered <= 295
    spread = torch.tensor([e.value for e in estimates]).std().item()
    assert estimates[0].stderr == pytest.approx(spread, rel=0.4)


def test_several_batches_have_the_error_over_batches() -> None:
    values = [torch.tensor(v, dtype=torch.float64) for v in ([1.0, 3.0], [5.0, 5.0], [0.0, 2.0])]
    found = combine_batches(values, [8, 8, 8])
    assert found.per_batch == (2.0, 5.0, 1.0)
    assert found.value == pytest.approx(8 / 3)
    # Variance of (2, 5, 1): 13 / 3, over three batches.
    assert found.stderr == pytest.approx((13 / 9) ** 0.5)
    assert found.per_batch_stderr == pytest.approx((1.0, 0.0, 1.0))


def test_one_batch_has_the_error_over_its_draws_and_one_draw_has_none() -> None:
    draws = torch.tensor([1.0, 2.0, 6.0], dtype=torch.float64)
    assert combine_batches([draws], [4]).stderr == pytest.approx((7 / 3) ** 0.5)
    assert math.isnan(combine_batches([draws[:1]], [4]).stderr)
    assert math.isnan(combine_batches([draws[:1]], [4]).per_batch_stderr[0])
    assert combine_batches([draws[:1], draws[1:2]], [4, 4]).stderr == pytest.approx(0.5)


def test_batches_of_unequal_size_count_by_their_examples() -> None:
    ones = torch.ones(1, dtype=torch.float64)
    assert combine_batches([2 * ones, 10 * ones], [3, 1]).value == pytest.approx(4.0)
    inputs, labels = noisy_points(12, seed=5)
    sizes = ((0, 7), (7, 12))
    batches: Batches = [(inputs[a:b], labels[a:b]) for a, b in sizes]
    found = sharpness(smooth_network(0), batches, GAUSSIAN, 0.5, samples=5)
    first, second = found.per_batch
    assert found.examples == (7, 5)
    assert found.value == pytest.approx((7 * first + 5 * second) / 12)
    assert first != second


def test_the_weighted_error_covers_the_truth() -> None:
    """Batches of unequal size: the error over batches agrees with the spread over repetitions."""
    generator = torch.Generator().manual_seed(0)
    examples = [4, 8, 8, 12, 16]
    estimates = []
    for _ in range(2000):
        noise = torch.randn(5, generator=generator, dtype=torch.float64)
        batches = noise / torch.tensor(examples).sqrt()
        estimates.append(combine_batches(list(batches[:, None]), examples))
    spread = torch.tensor([e.value for e in estimates]).std().item()
    squares = torch.tensor([e.stderr**2 for e in estimates]).mean().item()
    assert squares**0.5 == pytest.approx(spread, rel=0.1)
