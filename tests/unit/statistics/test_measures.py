"""Measures beside the cells: they have coefficients, and no part in the headline families."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic
from refusal import refused

from sharpness.evaluation.results import write_pool
from sharpness.statistics.correlation import cell_columns, correlations, read_pool
from sharpness.statistics.families import families
from sharpness.statistics.headline import main_cells, main_protocol
from sharpness.statistics.kendall import kendall
from sharpness.statistics.measures import measures

MEASURES = ["fisher-rao", "geodesic-inv@0.1", "critical-radius+magnitude"]
GAUGED = "worst-l2-adaptive-rawlogits-gauge@0.1+paper"


@pytest.fixture
def pool() -> pd.DataFrame:
    found = synthetic.pool()
    noise = np.random.default_rng(1).normal(size=(len(found), 4))
    return found.assign(**dict(zip([*MEASURES, GAUGED], noise.T, strict=True)))


def test_measures_have_coefficients(pool: pd.DataFrame) -> None:
    table = correlations(pool, resamples=50)
    assert [*MEASURES, GAUGED] == table["cell"].drop_duplicates().tolist()[-4:]
    for name in MEASURES:
        row = table[(table["cell"] == name) & (table["target"] == "error_test")].iloc[0]
        assert row["tau"] == kendall(pool[name], pool["error_test"]).tau


def test_the_headline_families_are_those_of_the_cells(pool: pd.DataFrame) -> None:
    """Neither measures nor cells in the balanced gauge are among them, nor in front of them."""
    without = synthetic.pool()
    words = [*MEASURES, GAUGED, *cell_columns(without)]
    assert main_cells(words) == main_cells(cell_columns(without))
    assert main_protocol(words) == "paper"
    kinds = {"test": ["error_test"]}
    assert families(pool, kinds, draws=50).equals(families(without, kinds, draws=50))


def test_a_pool_with_measures_is_read_back(pool: pd.DataFrame, tmp_path: Path) -> None:
    write_pool(pool, tmp_path / "pool.csv")
    assert read_pool(tmp_path / "pool.csv")[MEASURES].notna().all(axis=None)
    wrong = pool.rename(columns={"fisher-rao": "fisher-rao+more"})
    write_pool(wrong, tmp_path / "pool.csv")
    with refused("no option"):
        read_pool(tmp_path / "pool.csv")


def test_the_table_of_measures_judges_all_of_them_together(pool: pd.DataFrame) -> None:
    """Without ablations, other protocols, and models that are there twice."""
    restarted = "worst-linf-adaptive-normlogits@0.001+paper+restarts5"
    released = GAUGED.replace("paper", "released")
    pool = pool.assign(**{restarted: pool["error_test"] ** 2, released: pool["gap"]})
    found = correlations(pool, resamples=50)
    table = measures(pool, found, draws=200)
    assert sorted(table["cell"].unique()) == sorted([*MEASURES, GAUGED, restarted])
    assert set(table["target"]) == {"error_test", "gap"}
    first = table[table["target"] == "error_test"].set_index("cell")
    assert first.loc[restarted, ["tau", "p"]].tolist() == pytest.approx([1, 1 / 201])
    raw = found[(found["subgroup"] == "all") & (found["target"] == "error_test")]
    raw = raw.set_index("cell").loc[first.index]
    assert (first[["tau", "low", "high"]] == raw[["tau", "low", "high"]]).all(axis=None)
    ranked = first.sort_values("tau", key=abs, ascending=False)
    assert ranked["p"].is_monotonic_increasing
    twice = pd.concat([pool, pool.iloc[:3].assign(model=["a", "b", "c"])], ignore_index=True)
    again = measures(twice, found, draws=200)
    pd.testing.assert_series_equal(again["p"], table["p"])
    assert measures(synthetic.pool(), found).empty
