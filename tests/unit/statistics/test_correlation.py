"""Kendall's τ of Eq. 4, its interval, and the table of a whole pool."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pretrained
import pytest
import synthetic
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from sharpness.io.errors import UserError
from sharpness.statistics.correlation import (
    cell_columns,
    correlations,
    read_correlations,
    read_pool,
    read_subgroups,
    subgroups,
    target_columns,
    within_subgroups,
    write_correlations,
)
from sharpness.statistics.kendall import kendall

BY = ("augment", "mixup")

# Small integers make ties; halves keep every value exact.
PAIRS = st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=3, max_size=15)


def brute_force(x: list[float], y: list[float]) -> float:
    """Eq. 4 as it is written."""
    total, models = 0.0, len(x)
    for j in range(models):
        for i in range(j):
            total += np.sign(x[i] - x[j]) * np.sign(y[i] - y[j])
    return 2 / (models * (models - 1)) * total


@settings(deadline=None)
@given(PAIRS)
def test_tau_is_eq_4(pairs: list[tuple[int, int]]) -> None:
    x, y = (list(map(float, column)) for column in zip(*pairs, strict=True))
    assume(len(set(x)) > 1 and len(set(y)) > 1)
    found = kendall(x, y, resamples=0)
    assert found.tau == pytest.approx(brute_force(x, y), abs=1e-12)
    assert found.tau_b == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)
    assert (found.models, found.status, found.reason) == (len(x), "ok", "")


@settings(deadline=None, max_examples=30)
@given(st.permutations(range(9)))
def test_without_ties_tau_is_scipys(order: list[int]) -> None:
    found = kendall(range(9), order, resamples=0)
    expected = stats.kendalltau(range(9), order)
    assert found.tau == pytest.approx(expected.statistic, abs=1e-12)
    assert found.tau == pytest.approx(found.tau_b, abs=1e-12)
    assert found.p == pytest.approx(expected.pvalue)


def test_ties_count_in_the_denominator_of_tau_a_only() -> None:
    # Pairs: (1,1) tied in x; the other five concordant. τ-a = 5/6, τ-b = 5/√(5·6).
    found = kendall([1, 1, 2, 3], [1, 2, 3, 4], resamples=0)
    assert found.tau == pytest.approx(5 / 6)
    assert found.tau_b == pytest.approx(5 / math.sqrt(30))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(-20, 20), min_size=4, max_size=12), st.integers(0, 2**31))
def test_only_ranks_count(values: list[int], seed: int) -> None:
    assume(len(set(values)) > 1)
    x = np.array(values, dtype=float)
    y = np.random.default_rng(seed).normal(size=len(x))
    plain = kendall(x, y, resamples=50)
    assert kendall(np.exp(x / 10), y**3, resamples=50) == plain
    mirrored = kendall(-x, y, resamples=0)
    assert mirrored.tau == pytest.approx(-plain.tau)


def test_copies_of_a_model_are_left_out_of_the_bootstrap() -> None:
    # Three models with signs s01 = +1, s02 = -1, s12 = -1. Counts (2, 1, 0) leave the pair (0, 1)
    # alone, weight 2: τ* = +1; (2, 0, 1) and (0, 2, 1) give -1; (1, 1, 1) gives -1/3; (3, 0, 0)
    # has no pair. If copies counted as ties, 2·1 of 3 pairs would give 2/3 in place of 1.
    x, y = np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 1.0])
    counts = np.random.default_rng([7, 3]).multinomial(3, [1 / 3] * 3, size=500)
    taus = []
    for c in counts:
        pairs = [(0, 1, 1), (0, 2, -1), (1, 2, -1)]
        weight = sum(c[i] * c[j] for i, j, _ in pairs)
        if weight:
            taus.append(sum(c[i] * c[j] * s for i, j, s in pairs) / weight)
    assert set(np.round(taus, 6)) == {1.0, -1.0, -0.333333}
    found = kendall(x, y, seed=7, resamples=500, level=0.5)
    assert (found.low, found.high) == pytest.approx(np.quantile(taus, [0.25, 0.75]), abs=1e-12)


def test_the_interval_covers_the_true_tau_of_a_normal_pair() -> None:
    r, trials, models = 0.6, 100, 60
    true = 2 / math.pi * math.asin(r)
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(trials):
        x, noise = rng.normal(size=(2, models))
        found = kendall(x, r * x + math.sqrt(1 - r * r) * noise, seed=trial, resamples=200)
        covered += found.low <= true <= found.high
    # Binomial(100, 0.95) has a standard deviation of 2.2: four of them either way.
    assert 86 <= covered <= 100


def test_missing_values_are_left_out_and_counted() -> None:
    x = [1.0, 2.0, math.nan, 4.0, 5.0, math.inf]
    y = [1.0, 3.0, 9.0, 2.0, math.nan, 0.0]
    found = kendall(x, y)
    assert found.models == 3
    assert found.tau == pytest.approx(1 / 3)
    assert found.reason == "3 of 6 models left out: no value"


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        ([1, 2], [2, 1], "2 of 2 models with both values, 3 needed"),
        ([], [], "0 of 0 models with both values, 3 needed"),
        ([5, 5, 5, 5], [1, 2, 3, 4], "the sharpness is the same for all 4 models"),
        ([1, 2, 3, 4], [5, 5, 5, 5], "the target is the same for all 4 models"),
    ],
)
def test_undefined_says_why(x: list[float], y: list[float], reason: str) -> None:
    found = kendall(x, y)
    assert (found.status, found.reason) == ("undefined", reason)
    assert all(map(math.isnan, (found.tau, found.tau_b, found.low, found.high, found.p)))


def test_the_table_of_a_pool_holds_what_each_pair_of_columns_gives_alone() -> None:
    pool = synthetic.pool(16)
    # One cell lacks two models that the others have, one target lacks another, one has none.
    ragged = cell_columns(pool)[5]
    pool.loc[[0, 3], ragged] = np.nan
    pool.loc[4, "error_corrupted"] = np.nan
    pool["error_v2"] = np.nan
    found = correlations(pool, BY, resamples=20, seed=2)
    assert set(found[found["target"] == "error_v2"]["status"]) == {"undefined"}
    without = correlations(pool.drop(columns="error_v2"), BY, resamples=20, seed=2)
    found = found[found["target"] != "error_v2"].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, without)
    groups = [name for name, _ in subgroups(pool, BY)]
    assert groups == ["all", *(f"augment={a},mixup={m}" for a in (0, 1) for m in (0, 1))]
    keys = found[["cell", "target", "subgroup"]].apply(tuple, axis=1)
    targets = ["error_test", "error_corrupted", "gap", "learning_rate"]
    assert list(keys) == [(c, t, g) for c in cell_columns(pool) for t in targets for g in groups]
    whole = pool.loc[:, "augment"] >= 0
    one = (pool["augment"] == 1) & (pool["mixup"] == 0)
    for cell in (ragged, cell_columns(pool)[0]):
        for group, rows in (("all", whole), ("augment=1,mixup=0", one)):
            for target in ("error_corrupted", "learning_rate"):
                row = found[keys == (cell, target, group)].iloc[0]
                alone = kendall(pool.loc[rows, cell], pool.loc[rows, target], seed=2, resamples=20)
                for name in ("models", "status", "reason"):
                    assert row[name] == getattr(alone, name)
                for name in ("tau", "tau_b", "low", "high", "p"):
                    assert row[name] == pytest.approx(getattr(alone, name), nan_ok=True)


def test_targets_are_what_the_pool_has() -> None:
    errors = [f"error_{part}" for part in pretrained.PHOTOS]
    gaps = ["gap", *(f"gap_{part}" for part in pretrained.PHOTOS[1:])]
    soups = pretrained.pool("clip-soups")
    models = correlations(soups, resamples=0).groupby("target")["models"].unique().map(list)
    assert models["learning_rate"][0] + 1 == models["error_r"][0] == len(soups)  # one has no rate
    assert target_columns(soups) == [*errors, *gaps, "learning_rate"]
    assert target_columns(soups.assign(learning_rate=1e-5)) == [*errors, *gaps]
    assert target_columns(soups.assign(learning_rate=np.nan)) == [*errors, *gaps]
    berts = pretrained.pool("feather-berts")
    assert "learning_rate" not in berts
    found = correlations(berts, resamples=10)
    assert [*found["target"].unique()] == target_columns(berts)
    assert "error_constituent" in target_columns(berts)
    assert set(found["subgroup"]) == {"all"}


def test_subgroups_of_words_and_numbers() -> None:
    pool = pretrained.pool("augreg-i1k", 12)
    groups = dict(subgroups(pool, ("augmentation", "stochastic_depth")))
    assert [*groups][:4] == [
        "all",
        "augmentation=light,stochastic_depth=0",
        "augmentation=light,stochastic_depth=0.1",
        "augmentation=medium,stochastic_depth=0",
    ]
    assert sum(rows.sum() for rows in groups.values()) == 24
    dropped = groups["augmentation=strong,stochastic_depth=0.1"]
    expected = (pool["augmentation"] == "strong") & (pool["stochastic_depth"] == 0.1)
    assert list(dropped) == list(expected)
    found = correlations(pool, ("stochastic_depth",), resamples=0)
    assert set(found["subgroup"]) == {"all", "stochastic_depth=0", "stochastic_depth=0.1"}
    # The base model of the soups has no augmentation: it is in no subgroup.
    soups = dict(subgroups(pretrained.pool("clip-soups"), ("augmentation",)))
    assert [rows.sum() for rows in soups.values()] == [12, 11]


def test_a_missing_data_set_is_named_where_its_errors_are_wanted() -> None:
    pool = pretrained.pool("augreg-i1k").assign(error_r=np.nan, gap_r=np.nan)
    pool = pool.drop(columns=["error_objectnet", "gap_objectnet"])
    why = {part: f"data set {part} is missing" for part in ("r", "objectnet", "test")}
    found = correlations(pool, ("stochastic_depth",), why, resamples=10)
    reasons = found.groupby("target")["reason"].unique().map(list)
    assert reasons["error_r"] == reasons["gap_r"] == ["data set r is missing"]
    assert reasons["error_objectnet"] == ["data set objectnet is missing"]
    # There are test errors, whatever became of the data set.
    assert reasons["error_test"] == reasons["gap"] == [""]
    assert "error_train" not in reasons


def test_the_training_set_is_needed_by_every_gap_and_every_cell() -> None:
    pool = pretrained.pool("feather-berts").assign(error_train=np.nan, status="missing")
    columns = [name for name in pool if name.startswith("gap")] + cell_columns(pool)
    pool = pool.assign(**dict.fromkeys(columns, np.nan), reason="no mnli")
    found = correlations(pool, (), {"train": "no mnli here"}, resamples=10)
    reasons = found.groupby("target")["reason"].unique().map(list)
    assert reasons["gap_lexical"] == ["no mnli here"]
    assert reasons["error_lexical"] == ["no model is measured: no mnli"]
    # Every model for a reason of its own: one of them is an example.
    pool["reason"] = [f"training error {i} %" for i in range(len(pool))]
    reason = correlations(pool, resamples=0)["reason"].iloc[0]
    assert reason == "no model is measured: for instance, training error 0 %"


def test_files_go_round_and_have_the_same_bytes(tmp_path) -> None:
    pool = synthetic.pool(12)
    pool.to_csv(tmp_path / "pool.csv", index=False)
    read = read_pool(tmp_path / "pool.csv")
    pd.testing.assert_frame_equal(read, pool, check_dtype=False)
    for name in ("a.csv", "b.csv"):
        write_correlations(tmp_path / name, correlations(read, BY, resamples=5))
    text = (tmp_path / "a.csv").read_text()
    assert text == (tmp_path / "b.csv").read_text()
    assert text.splitlines()[0] == (
        "cell,target,subgroup,models,tau,tau_b,low,high,p,status,reason,"
        "reliability,ceiling,batch_low,batch_high,flag,partial_learning_rate,partial_train_loss"
    )
    assert ",-0," not in text
    again = read_correlations(tmp_path / "a.csv")
    assert again["tau"].to_numpy() == pytest.approx(
        correlations(read, BY, resamples=0)["tau"].to_numpy(), abs=1e-5, nan_ok=True
    )


def test_a_pool_without_its_columns_is_refused(tmp_path) -> None:
    pool, path = synthetic.pool(4), tmp_path / "pool.csv"
    with pytest.raises(UserError, match="'mixup'; correct the pool's subgroups"):
        correlations(pool.drop(columns="mixup"), BY)
    pool.drop(columns="status").to_csv(path, index=False)
    with pytest.raises(UserError, match="status"):
        read_pool(path)
    pool.assign(**{"flatness@0.1+paper": 1.0}).to_csv(path, index=False)
    with pytest.raises(UserError, match="flatness@"):
        read_pool(path)


def test_within_subgroups_tau_is_that_of_their_models_alone(tmp_path: Path) -> None:
    cell = "worst-linf-adaptive-rawlogits@0.001+paper"
    pool = pd.DataFrame(
        {
            "model": [*"abcdefgh"],
            "status": "ok",
            "reason": "",
            "augment": [0, 1] * 4,
            "mixup": 0,
            "learning_rate": [0.4, 0.1, 0.3, 0.2, 0.2, 0.3, 0.1, 0.4],
            # Of augment 0, sharpness 1 2 3 4 has errors 1 2 4 3: 5 pairs of 6 agree, τ = 4/6.
            # Of augment 1, sharpness 11 12 13 14 has errors 14 11 12 13: 3 of 6 agree, τ = 0.
            "error_test": [0.01, 0.14, 0.02, 0.11, 0.04, 0.12, 0.03, 0.13],
            cell: [1.0, 11, 2, 12, 3, 13, 4, 14],
        }
    )
    found = correlations(pool, BY, resamples=20)
    shown = [("fig5", cell, "error_test"), ("fig6", cell, "learning_rate"), ("fig6", "x", "y")]
    table = within_subgroups(found, shown)
    path = tmp_path / "subgroups.csv"
    write_correlations(path, table)
    again = read_subgroups(path).set_index(["figure", "cell", "subgroup"])["tau"]
    # Between the two, the 16 pairs agree: (4 + 0 + 16) / 28.
    expected = {"all": 20 / 28, "augment=0,mixup=0": 4 / 6, "augment=1,mixup=0": 0.0}
    for name, tau in expected.items():
        assert again["fig5", cell, name] == pytest.approx(tau, abs=1e-6)
    assert again["fig6", cell, "augment=0,mixup=0"] == -1
    assert again["fig6", cell, "augment=1,mixup=0"] == 1
    last = table.iloc[-1]
    assert (last["figure"], last["subgroup"], last["models"]) == ("fig6", "all", 0)
    assert (last["status"], last["reason"]) == ("undefined", "not measured")
    write_correlations(path, within_subgroups(found, []))
    assert read_subgroups(path).empty
