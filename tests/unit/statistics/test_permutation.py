"""Permutations of the target: worked cases, what chance gives, and power."""

from __future__ import annotations

import numpy as np
import pytest

from sharpness.statistics.kendall import kendall
from sharpness.statistics.permutation import Family, judge, permute


def pool(n: int, tau: float, rng: np.random.Generator, cells: int = 48) -> tuple[np.ndarray, ...]:
    """Cells that correlate at .9 with each other, and a target of a given τ with all of them."""
    rho = np.sin(np.pi * tau / 2) / np.sqrt(0.9)  # with what the cells have in common
    common = rng.normal(size=n)
    x = np.sqrt(0.9) * common[:, None] + np.sqrt(0.1) * rng.normal(size=(n, cells))
    y = rho * common + np.sqrt(1 - rho**2) * rng.normal(size=n)
    return x, y[:, None]


def share(verdict: str, n: int, tau: float, pools: int = 60) -> float:
    rng = np.random.default_rng(1)
    found = [permute(*pool(n, tau, rng), draws=400).verdict for _ in range(pools)]
    return found.count(verdict) / pools


def test_the_worked_case_of_five_models() -> None:
    x = np.array([[1, 2, 3, 4, 5], [1, 3, 2, 5, 4]], float).T
    y = np.array([[1, 2, 4, 3, 5]], float).T
    both = permute(x, y)
    assert both.exact
    assert both.draws == 120
    assert both.tau[:, 0] == pytest.approx([0.8, 0.4])
    assert both.p[:, 0] == pytest.approx([0.1333, 0.4833], abs=5e-5)
    raw = [permute(x[:, [k]], y).p[0, 0] for k in (0, 1)]
    assert raw == pytest.approx([0.0833, 0.4833], abs=5e-5)


def test_tau_is_that_of_kendall_with_missing_values() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    x[3, 1] = x[:4, 2] = y[7, 0] = np.nan
    x[:, 0] = np.round(x[:, 0])  # ties
    found = permute(x, y, draws=50).tau
    for cell in range(3):
        for target in range(2):
            expected = kendall(x[:, cell], y[:, target], resamples=0, test=False).tau
            assert found[cell, target] == pytest.approx(expected)


def test_constant_columns_are_in_no_family() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 2)), rng.normal(size=(12, 1))
    alone = permute(x[:, [0]], y)
    x[:, 1] = 3
    both = permute(x, y)
    assert np.isnan(both.tau[1, 0])
    assert both.p[0, 0] == alone.p[0, 0]


def test_too_few_models_cannot_tell() -> None:
    found = permute(np.ones((2, 3)), np.ones((2, 1)))
    assert found.verdict == "cannot tell"
    assert np.isnan(found.p).all()


@pytest.mark.parametrize("n", [12, 16])
def test_under_permutation_neither_yes_nor_reverse_is_frequent(n: int) -> None:
    assert share("yes", n, 0.0, 120) <= 0.05
    assert share("reverse", n, 0.0, 120) <= 0.05


@pytest.mark.parametrize(
    ("verdict", "tau", "n", "least"),
    [("yes", 0.5, 16, 0.75), ("yes", 0.3, 72, 0.95), ("reverse", -0.5, 30, 0.9)],
)
def test_power(verdict: str, tau: float, n: int, least: float) -> None:
    assert share(verdict, n, tau) >= least


def test_a_large_pool_without_a_relation_says_no() -> None:
    assert share("no", 200, 0.0, 20) >= 0.9


def test_verdicts_of_both_signs_are_mixed() -> None:
    tau, p = np.array([[0.6], [-0.6]]), np.array([[0.01], [0.02]])
    family = Family(tau, p, 0.4, 0.5, 20, 100, False)
    assert judge(family) == "mixed"


def test_within_strata_a_difference_of_subgroups_is_no_association() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1], 15)
    x, y = (
        group[:, None] * 5 + rng.normal(size=(30, 4)),
        group[:, None] * 5 + rng.normal(size=(30, 1)),
    )
    assert permute(x, y, draws=500).verdict == "yes"
    assert permute(x, y, strata=group, draws=500).verdict == "cannot tell"


def test_tau_within_strata_counts_their_pairs_alone() -> None:
    # Pairs (0, 1), (0, 2), (1, 2) of one group: +, +, −; pair (3, 4) of the other: −.
    x = np.array([[1, 2, 3, 0, 9]], float).T
    y = np.array([[5, 7, 6, 2, 1]], float).T
    found = permute(x, y, strata=["a", "a", "a", "b", "b"], draws=4000)
    assert found.tau[0, 0] == 0
    y[3:] = [[1], [2]]
    found = permute(x, y, strata=["a", "a", "a", "b", "b"], draws=4000)
    assert found.tau[0, 0] == 0.5
    # Sums of 3!·2! equally likely orders: ±4, ±2 thrice, 0 ... |sum| ≥ 2 in 8 of 12.
    assert found.p[0, 0] == pytest.approx(8 / 12, abs=0.03)


def test_a_relation_against_that_of_the_subgroups_is_found_within_them() -> None:
    rng = np.random.default_rng(0)
    group, common = np.repeat(np.arange(5), 6), rng.normal(size=(30, 1))
    x, y = group[:, None] * 9 + common, group[:, None] * 9 - common
    assert permute(x, y, draws=500).verdict == "yes"
    assert permute(x, y, strata=group, draws=500).verdict == "reverse"


def test_the_weak_hypothesis_by_chance_and_by_a_flat_tenth() -> None:
    rng = np.random.default_rng(0)
    p = [
        permute(rng.normal(size=(20, 5)), rng.normal(size=(20, 1)), draws=200).weak_p
        for _ in range(60)
    ]
    assert np.mean(np.array(p) < 0.05) <= 0.1
    x, y = rng.normal(size=(40, 1)), rng.normal(size=(40, 1))
    y[np.argsort(x[:, 0])[:4]] = -3
    assert permute(x, y).weak_p < 0.01


def test_equal_seeds_give_equal_numbers() -> None:
    x, y = pool(20, 0.2, np.random.default_rng(0))
    one, two = (permute(x, y, draws=300, seed=4) for _ in range(2))
    assert np.array_equal(one.p, two.p)
    assert one.bound == two.bound
