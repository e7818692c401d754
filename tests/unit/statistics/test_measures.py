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
from sharpness.statistics.families import families, main_cells, main_protocol
from sharpness.statistics.kendall import kendall

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
