"""Noise of the batches: the worked table of four models, and what Gaussian measures give."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pandas as pd
import pytest

from sharpness.statistics.kendall import kendall
from sharpness.statistics.reliability import (
    Batches,
    batch_interval,
    by_cell,
    ceiling,
    reliability,
    resampled_tau,
)

# Values of four models (rows) on four batches.
VALUES = np.array(
    [(1, 1.6, 0.7, 1.1), (1.1, 1.9, 0.9, 0.9), (1.3, 1.7, 1.1, 1.3), (1.2, 2, 0.9, 1.5)]
)
ERRORS = np.array([[0.10], [0.12], [0.11], [0.15]])


def test_the_worked_table() -> None:
    assert reliability(VALUES) == pytest.approx(0.703, abs=5e-4)
    assert ceiling(reliability(VALUES)) == pytest.approx(0.633, abs=5e-4)
    assert kendall(VALUES.mean(axis=1), ERRORS[:, 0]).tau == pytest.approx(0.667, abs=5e-4)


def test_all_resamples_of_the_worked_table() -> None:
    drawn = [np.bincount(places, minlength=4) for places in product(range(4), repeat=4)]
    cell = Batches(10 * VALUES, np.ones(4))  # whole numbers: ties stay ties
    taus = resampled_tau(cell, ERRORS, np.array(drawn))[:, 0]
    assert taus.std() == pytest.approx(0.209, abs=5e-4)
    assert taus.mean() == pytest.approx(0.541, abs=5e-4)


@pytest.mark.parametrize(("share", "tau"), [(1.0, 1.0), (0.9, 0.795), (0.7, 0.631), (-1.14, 0.0)])
def test_the_ceiling_of_a_gaussian_measure(share: float, tau: float) -> None:
    assert ceiling(share) == pytest.approx(tau, abs=1e-3)


def test_a_measure_of_known_noise() -> None:
    rng = np.random.default_rng(0)
    truth, common = rng.normal(size=(2000, 1)), 5 * rng.normal(size=(1, 8))
    values = truth + common + rng.normal(size=(2000, 8)) * math.sqrt(8 * 3 / 7)  # R = .7
    share = reliability(values)
    assert share == pytest.approx(0.7, abs=0.03)
    tau = kendall(values.mean(axis=1), truth[:, 0], resamples=0, test=False).tau
    assert tau == pytest.approx(ceiling(share), abs=0.03)


def test_what_has_no_reliability() -> None:
    assert math.isnan(reliability(VALUES[:, :1]))
    assert math.isnan(reliability(VALUES[:2]))
    assert math.isnan(reliability(np.ones((4, 4))))
    assert math.isnan(ceiling(math.nan))
    missing = np.vstack([VALUES, [[np.nan, 1, 1, 1]]])
    assert reliability(missing) == reliability(VALUES)


def test_the_interval_over_batches_needs_eight_and_is_seeded() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(30, 1))
    cell = Batches(truth + 0.5 * rng.normal(size=(30, 8)), np.array([16.0] * 7 + [8.0]))
    targets = np.hstack([truth, np.where(np.arange(30)[:, None] < 2, np.nan, truth)])
    low, high = batch_interval(cell, targets, 0.95, 0)
    assert 0.5 < low[0] < high[0] < 1
    perfect = Batches(truth + rng.normal(size=(1, 8)), cell.examples)
    assert batch_interval(perfect, truth, 0.95, 0).tolist() == [[1], [1]]
    assert np.array_equal(batch_interval(cell, targets, 0.95, 0), [low, high])
    known = Batches(cell.values[2:], cell.examples)
    assert batch_interval(known, truth[2:], 0.95, 0)[:, 0] == pytest.approx([low[1], high[1]])
    few = Batches(cell.values[:, :7], cell.examples[:7])
    assert np.isnan(batch_interval(few, targets, 0.95, 0)).all()


def test_batches_have_the_models_as_rows() -> None:
    rows = [("b", "x", k, 16, k) for k in range(3)] + [
        ("a", "x", k, 16, 10.0 + k) for k in range(3)
    ]
    table = pd.DataFrame(rows, columns=["model", "cell", "batch", "examples", "value"])
    found = by_cell(table, ["a", "c", "b"])["x"]
    expected = [[10, 11, 12], [np.nan] * 3, [0, 1, 2]]
    assert np.array_equal(found.values, expected, equal_nan=True)
    assert list(found.of(np.array([False, False, True])).values[0]) == [0, 1, 2]
