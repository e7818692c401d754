"""The stop rules and the projected gradient ascent of Hammoud et al. (2023)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from toys import normal

from sharpness.studies.hammoud.procedures import FCNN_STOPS as FCNN
from sharpness.studies.hammoud.procedures import GAT_STOPS as GAT
from sharpness.studies.hammoud.procedures import StopRule
from sharpness.studies.hammoud.stacks import Purpose, Weights, ascent_sharpness, generator, row

TEXT = StopRule()
FCNN_CODE = FCNN["code"]
FALLING = [0.5**epoch for epoch in range(20)]


@pytest.mark.parametrize(
    ("rule", "losses", "stops"),
    [
        (TEXT, [1.0], False),  # nothing to compare with
        (TEXT, [1.0, 0.94], False),
        (TEXT, [1.0, 0.96], True),
        (TEXT, [1.0, 1.04], True),
        (TEXT, [1.0, 1.2], False),  # a rise is a change as well
        (TEXT, [4.0, 1.0, 0.99], True),  # the last two count
        (TEXT, [4.0, 3.9, 1.0], False),
        (FCNN_CODE, [96.0], True),  # from 100, in the epoch of warm-up
        (FCNN_CODE, [94.0], False),
        (FCNN_CODE, [94.0, 120.0], True),  # signed
        (FCNN_CODE, [94.0, 80.0, 77.0], True),
        (FCNN_CODE, [94.0, 80.0, 75.0], False),
        (GAT["text"], [1.0] * 9, False),
        (GAT["text"], [1.0] * 10, True),
        (GAT["code"], [1.0] * 10, False),
        (GAT["code"], [1.0] * 11, True),
        (TEXT, [1.0, math.nan], True),
        (TEXT, [math.inf], True),
        (TEXT, FALLING[:9], False),
        (TEXT, FALLING[:10], True),  # however much it falls
        (FCNN_CODE, FALLING[:11], False),
        (FCNN_CODE, FALLING[:12], True),
    ],
)
def test_stop_rules_by_hand(rule: StopRule, losses: list[float], stops: bool) -> None:
    assert rule.stops(losses) is stops


def weights_of(*values: list[float]) -> Weights:
    """A stack of models with one vector each."""
    return {"w": torch.tensor(values, dtype=torch.float64)}


def linear(weights: Weights, slope: Tensor) -> Tensor:
    return (weights["w"] * slope).sum(dim=1)


@settings(max_examples=25)
@given(
    st.lists(st.floats(-5, 5).map(lambda x: round(x, 3)), min_size=3, max_size=3),
    st.lists(st.floats(0.2, 3) | st.floats(-3, -0.2), min_size=3, max_size=3),
    st.floats(0.01, 0.5),
)
def test_a_linear_loss_rises_to_the_corner_of_the_box(
    w: list[float], slope: list[float], rho: float
) -> None:
    """The maximum of c·δ over |δ| ≤ ρ|w| is ρ Σ |cᵢ wᵢ|."""
    batches = [torch.tensor(slope, dtype=torch.float64), torch.tensor([1.0, -2.0, 0.5]).double()]
    rise = ascent_sharpness(weights_of(w), linear, batches, rho=rho, learning_rate=100.0, steps=2)
    expected = rho * np.mean([np.abs(np.array(w) * c.numpy()).sum() for c in batches])
    assert rise.item() == pytest.approx(expected, abs=1e-12)


def half_square(weights: Weights, curvature: Tensor) -> Tensor:
    return (curvature * weights["w"].square()).sum(dim=1) / 2


def test_inside_the_ball_the_ascent_is_plain_and_counts_its_steps() -> None:
    """On ½λw² every step multiplies w by 1 + ηλ; the ball is too wide to matter."""
    w, curvature, rate = weights_of([1.0], [-3.0]), torch.tensor(0.7), 0.1
    for steps in (1, 2, 5):
        rise = ascent_sharpness(
            w, half_square, [curvature], rho=10.0, learning_rate=rate, steps=steps
        )
        grown = (1 + rate * 0.7) ** (2 * steps) - 1
        assert rise.tolist() == pytest.approx([0.35 * grown, 9 * 0.35 * grown])


@pytest.mark.parametrize(("factor", "best"), [(-1.1, 1), (-0.9, 3)])
def test_the_best_step_counts_but_never_the_start(factor: float, best: int) -> None:
    """On −½w² with η = 1 − factor, w is multiplied by ``factor``: overshooting lowers the loss."""
    batch, rate = torch.tensor(-1.0), 1 - factor
    rise = ascent_sharpness(
        weights_of([2.0]), half_square, [batch], rho=10, learning_rate=rate, steps=3
    )
    assert rise.item() == pytest.approx(2 * (1 - factor ** (2 * best)))


def test_the_ball_is_never_left_and_zeros_stay() -> None:
    seen: list[Tensor] = []

    def watched(weights: Weights, batch: Tensor) -> Tensor:
        seen.append(weights["w"].detach().clone())
        return (weights["w"] * batch).sum(dim=1).sin()

    centre = {"w": normal(4, 30, seed=1)}
    centre["w"][:, :10] = 0
    batches = normal(6, 30, seed=2) * 10
    ascent_sharpness(centre, watched, batches, rho=0.1, learning_rate=0.05, steps=5)
    moved = torch.stack(seen) - centre["w"]
    assert len(seen) == 6 * 6  # the start and five steps for each batch
    assert (moved.abs() <= 0.1 * centre["w"].abs() * (1 + 1e-5)).all()
    assert (moved[:, :, :10] == 0).all()
    assert (moved[:, :, 10:] != 0).any(dim=0).all()


def two_layers(weights: Weights, batch: Tensor) -> Tensor:
    hidden = torch.bmm(batch, weights["V"]).relu()
    return torch.bmm(hidden, weights["U"]).squeeze(2).square().mean(dim=1)


def random_stack(models: int) -> tuple[Weights, list[Tensor]]:
    weights = {"V": normal(models, 5, 8, seed=3), "U": normal(models, 8, 1, seed=4)}
    return weights, [normal(models, 16, 5, seed=5 + i) for i in range(3)]


def test_a_model_without_a_loss_has_no_sharpness_and_spoils_no_other() -> None:
    weights, batches = random_stack(3)
    whole = ascent_sharpness(weights, two_layers, batches, rho=0.05, learning_rate=0.1, steps=4)
    weights["V"][1, 0, 0] = torch.nan
    found = ascent_sharpness(weights, two_layers, batches, rho=0.05, learning_rate=0.1, steps=4)
    assert found.isnan().tolist() == [False, True, False]
    assert found[[0, 2]].tolist() == whole[[0, 2]].tolist()


@pytest.mark.parametrize(("rate", "alike"), [(1e9, True), (1e-3, False)])
def test_rescaling_leaves_only_the_saturated_ascent_as_it_is(rate: float, alike: bool) -> None:
    """The definition is invariant; plain gradient steps are only where each reaches a face."""
    weights, batches = random_stack(2)
    rescaled = {"V": weights["V"] * 4, "U": weights["U"] / 4}
    found, expected = (
        ascent_sharpness(w, two_layers, batches, rho=0.05, learning_rate=rate, steps=4).tolist()
        for w in (rescaled, weights)
    )
    assert (found == pytest.approx(expected, rel=1e-9 if alike else 0.1)) == alike


def test_every_model_and_purpose_has_a_stream_of_its_own() -> None:
    streams = [(b, k, p) for b in range(3) for k in range(3) for p in Purpose]
    firsts = [generator(*stream).random() for stream in streams]
    assert len(set(firsts)) == len(streams)
    assert firsts == [generator(*stream).random() for stream in streams]


def test_numbers_of_a_row_read_back_as_they_were() -> None:
    written = row(2, 7, 5, 0.1 + 0.2, 1 / 3, None, math.inf, math.nan)
    assert float(str(written["train_loss"])) == 0.1 + 0.2
    assert list(written.values())[-3:] == ["", "nan", "nan"]
