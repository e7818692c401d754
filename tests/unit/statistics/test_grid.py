"""Statistics of grids: worked examples, nulls, and which pools are grids."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sharpness.statistics.granulated import factor_pairs, granulated_weights
from sharpness.statistics.grid import coded, grid, thirds, varied
from sharpness.statistics.kendall import kendall
from sharpness.statistics.mutual_information import conditional_information, normalized_information
from sharpness.statistics.sign_error import environments, noise_weights, sign_errors

# Three binary hyper-parameters, rows 000 to 111.
FACTORS = np.array([*product((0, 1), repeat=3)])
MEASURE = np.array([1, 2, 1.5, 3, 2.5, 2.2, 4, 3.5])
GAP = np.array([0.10, 0.14, 0.09, 0.13, 0.12, 0.15, 0.16, 0.18])


def products(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    pairs = factor_pairs(FACTORS)
    return np.sign(x[pairs.first] - x[pairs.second]) * np.sign(y[pairs.first] - y[pairs.second])


def test_granulated_psi_of_the_worked_example() -> None:
    assert kendall(MEASURE, GAP).tau == pytest.approx(0.5714, abs=5e-5)
    pairs = factor_pairs(FACTORS)
    assert len(pairs.first) == 12  # the edges of a cube
    weights, found = granulated_weights(pairs), products(MEASURE, GAP)
    assert (weights * found).sum() == pytest.approx(1 / 3)
    each = [3 * (weights * found)[pairs.factor == factor].sum() for factor in range(3)]
    assert each == pytest.approx([1, 0, 0])


def test_groups_of_three_values_have_their_tau() -> None:
    # One factor of three values and one of two: ψ of the first is the mean of two τ of three
    # models, that of the second the mean of three signs.
    factors = np.array([*product(range(3), range(2))])
    x, y = np.array([1.0, 5, 2, 4, 3, 6]), np.array([1.0, 2, 3, 5, 2, 4])
    first = np.mean([kendall(x[rows], y[rows]).tau for rows in ([0, 2, 4], [1, 3, 5])])
    second = np.mean([np.sign(x[i] - x[i + 1]) * np.sign(y[i] - y[i + 1]) for i in (0, 2, 4)])
    pairs = factor_pairs(factors)
    signs = [np.sign(v[pairs.first] - v[pairs.second]) for v in (x, y)]
    found = (granulated_weights(pairs) * signs[0] * signs[1]).sum()
    assert found == pytest.approx((first + second) / 2)


def test_information_of_the_worked_example() -> None:
    sets = {(): 0.2504, (0,): 0.1198, (1,): 0.2834, (2,): 0.3340}
    sets |= {(0, 1): 0.4176, (0, 2): 0.5100, (1, 2): 0.5451}
    x, y = MEASURE[:, None], GAP[:, None]
    for chosen, expected in sets.items():
        codes = np.unique(FACTORS[:, list(chosen)], axis=0, return_inverse=True)[1].ravel()
        found = normalized_information(x, y, codes)[0, 0]
        assert found == pytest.approx(expected, abs=5e-5), chosen
    assert conditional_information(x, y, FACTORS)[0, 0] == pytest.approx(0.1198, abs=5e-5)
    assert conditional_information(-y, y, FACTORS)[0, 0] == pytest.approx(1)  # blind to the sign


def test_noise_weights_of_ten_thousand_examples() -> None:
    found = noise_weights(np.array([0.0196, 0.02, 0.03, 0.05]), 10_000)
    assert found == pytest.approx([0, 0.0319, 0.4561, 0.5], abs=1e-3)
    assert noise_weights(np.array([0.0088]), 50_000)[0] == pytest.approx(0, abs=1e-2)
    assert list(noise_weights(np.array([0.1, 0.0]), np.nan)) == [0.5, 0]


def test_sign_errors_of_environments() -> None:
    factors = np.array([*product((0, 1), repeat=4)])
    pairs = factor_pairs(factors)
    shares = environments(pairs, factors, np.ones(len(pairs.first)))
    assert shares.shape == (4, 32)  # eight pairs each
    x, y = factors @ [8, 4, 2, 1], factors @ [8, 4, -2, 0]
    signs = [np.sign(v[pairs.first] - v[pairs.second]) for v in (x, y)]
    # The third hyper-parameter is always wrong, and the last one a tie.
    assert sign_errors(shares, signs[0] * signs[1]) == pytest.approx([0, 0, 1, 0.5])
    few = np.where(pairs.factor == 0, np.arange(32) % 4 == 0, 1.0)
    assert len(environments(pairs, factors, few)) == 3


CELL = "worst-l2-adaptive-normlogits@1+paper"


def pool_of(factors: pd.DataFrame, errors: np.ndarray, **cells: np.ndarray) -> pd.DataFrame:
    models = pd.DataFrame({"model": [f"m{i}" for i in range(len(factors))], "status": "ok"})
    return pd.concat([models, factors], axis=1).assign(error_test=errors, **cells)


def test_the_table_of_the_worked_example_with_two_seeds_a_setting() -> None:
    factors = pd.DataFrame(np.repeat(FACTORS, 2, axis=0), columns=["a", "b", "c"])
    factors = factors.assign(seed=[0, 1] * 8, copy_of_a=factors["a"] * 2.5, fixed=1)
    shift = np.tile([-0.01, 0.01], 8)  # between seeds; their mean is the worked value
    pool = pool_of(factors, np.repeat(GAP, 2) + shift, **{CELL: np.repeat(MEASURE, 2) - shift})
    assert varied(pool) == ["a", "b", "c"]
    row = grid(pool, draws=50).iloc[0]
    assert (row["cell"], row["target"], row["settings"]) == (CELL, "error_test", 8)
    assert row["tau"] == pytest.approx(0.5714, abs=5e-5)
    assert (row["psi"], row["groups"]) == (pytest.approx(1 / 3), 12)
    assert row["information"] == pytest.approx(0.1198, abs=5e-5)
    assert row["environments"] == 0  # four pairs each
    assert np.isnan(row["worst_p"])


def test_augreg_is_a_grid_with_252_pairs() -> None:
    path = Path(__file__).parents[3] / "resources" / "pools" / "augreg-i1k.csv"
    factors = pd.read_csv(path).drop(columns=["model", "url", "bytes", "checksum"])
    rng = np.random.default_rng(0)
    errors = rng.normal(0.3, 0.03, len(factors))
    cells = {CELL: errors**2, CELL.replace("@1", "@2"): rng.normal(size=len(factors))}
    pool = pool_of(factors, errors, **cells).assign(examples_test=50_000)
    names = varied(pool)
    assert names == ["augmentation_level", "weight_decay", "dropout", "learning_rate"]
    assert len(factor_pairs(coded(pool[names])).first) == 252
    perfect, noise = grid(pool, draws=200).to_dict("records")
    assert perfect["psi"] == pytest.approx(1)
    assert (perfect["sign_error"], perfect["worst"]) == (0, 0)
    assert perfect["information"] == pytest.approx(1)
    assert perfect["environments"] > 3
    names = ("psi_p", "worst_p", "information_p")
    assert max(perfect[name] for name in names) == pytest.approx(1 / 201)
    assert min(noise[name] for name in names) > 0.05


def test_a_random_search_is_no_grid() -> None:
    rng = np.random.default_rng(0)
    factors = pd.DataFrame({"learning_rate": rng.random(20), "mixup": rng.integers(0, 2, 20)})
    values = rng.random((2, 20))
    found = grid(pool_of(factors, values[0], **{CELL: values[1]}))
    assert list(found["reason"]) == ["hyper-parameters form no grid"]


def test_many_numbers_are_taken_in_thirds() -> None:
    frame = pd.DataFrame({"rate": np.arange(9.0), "kind": [*"abababaab"]})
    assert thirds(frame)[:, 0].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert coded(frame)[:, 0].tolist() == [*range(9)]
    assert thirds(frame)[:, 1].tolist() == coded(frame)[:, 1].tolist()
