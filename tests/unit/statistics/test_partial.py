"""Partial τ: its formula, its invariance, and why it is descriptive only."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from sharpness.statistics.partial import partial_tau


def by_formula(xy: float, xz: float, yz: float) -> float:
    return (xy - xz * yz) / math.sqrt((1 - xz**2) * (1 - yz**2))


def test_the_formula() -> None:
    assert by_formula(0.6, 0.5, 0.7) == pytest.approx(0.4042, abs=5e-5)
    rng = np.random.default_rng(0)
    x, y, z = rng.integers(0, 6, (3, 25)).astype(float)  # with ties: τ-b
    pairs = [stats.kendalltau(*pair).statistic for pair in ((x, y), (x, z), (y, z))]
    assert partial_tau(x[:, None], y, z)[0] == pytest.approx(by_formula(*pairs), abs=1e-6)


def test_missing_values_are_left_out() -> None:
    rng = np.random.default_rng(1)
    x, (y, z) = rng.normal(size=(20, 2)), rng.normal(size=(2, 20))
    x[4, 0] = y[7] = z[9] = np.nan
    rows = np.isfinite(x[:, 0] + y + z)
    whole = partial_tau(x[rows][:, :1], y[rows], z[rows])
    assert partial_tau(x, y, z)[0] == pytest.approx(whole[0], abs=1e-6)


def test_a_function_of_what_is_given_has_none() -> None:
    rng = np.random.default_rng(2)
    y, z = rng.normal(size=(2, 20))
    found = partial_tau(np.stack([z**3, np.ones(20), y], axis=1), y, z)
    assert np.isnan(found[:2]).all()
    assert found[2] == pytest.approx(1)


def test_it_is_not_zero_under_conditional_independence() -> None:
    rng = np.random.default_rng(3)
    z = rng.normal(size=1500)
    x, y = (0.8 * z + 0.6 * rng.normal(size=1500) for _ in range(2))
    assert partial_tau(x[:, None], y, z)[0] == pytest.approx(0.144, abs=0.03)
