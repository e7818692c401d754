"""What each row of ``correlations.csv`` has to be read with."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import synthetic

from sharpness.statistics.correlation import cell_columns, correlations
from sharpness.statistics.families import families
from sharpness.statistics.partial import partial_tau
from sharpness.statistics.reliability import Batches, by_cell, ceiling, reliability

CELLS = cell_columns(synthetic.pool(4))[:2]


@pytest.fixture(scope="module")
def pool() -> pd.DataFrame:
    found = synthetic.pool(30).assign(loss_train=np.random.default_rng(1).random(30))
    parameters = ["model", "status", "reason", "augment", "learning_rate", "loss_train"]
    return found[[*parameters, "error_test", *CELLS]]


@pytest.fixture(scope="module")
def per_batch(pool: pd.DataFrame) -> pd.DataFrame:
    """Eight batches of the first cell and four of the second, whose noise is of its own size."""
    rng = np.random.default_rng(0)
    rows = [
        (model, cell, batch, 16, value * (1 + 0.5 * rng.normal()))
        for cell, batches in zip(CELLS, (8, 4), strict=True)
        for model, value in zip(pool["model"], pool[cell], strict=True)
        for batch in range(batches)
    ]
    return pd.DataFrame(rows, columns=["model", "cell", "batch", "examples", "value"])


@pytest.fixture(scope="module")
def batches(pool: pd.DataFrame, per_batch: pd.DataFrame) -> dict[str, Batches]:
    return by_cell(per_batch, [*pool["model"]])


def test_the_columns_are_those_of_the_rows_models(
    pool: pd.DataFrame, per_batch: pd.DataFrame, batches: dict[str, Batches]
) -> None:
    found = correlations(pool, ("augment",), batches=batches, resamples=5)
    rows = found.set_index(["cell", "target", "subgroup"])
    one = rows.loc[CELLS[0], "error_test", "augment=1"]
    group = pool[pool["augment"] == 1]
    values = per_batch[per_batch["cell"] == CELLS[0]].pivot(
        index="model", columns="batch", values="value"
    )
    share = reliability(values.loc[group["model"]].to_numpy())
    assert one["reliability"] == pytest.approx(share)
    assert one["ceiling"] == pytest.approx(ceiling(share))
    assert one["batch_low"] < one["batch_high"]
    given = (group[name].to_numpy() for name in ("error_test", "learning_rate"))
    assert one["partial_learning_rate"] == pytest.approx(
        partial_tau(group[CELLS[:1]].to_numpy(), *given)[0]
    )
    assert np.isfinite(one["partial_train_loss"])
    assert np.isnan(rows.loc[CELLS[0], "learning_rate", "all"]["partial_learning_rate"])
    few = rows.loc[CELLS[1], "error_test", "all"]
    assert few["flag"] == "too few batches"
    assert np.isnan(few["batch_low"])
    assert np.isfinite(few["ceiling"])


def test_flags_of_few_models_and_full_order(pool: pd.DataFrame, per_batch: pd.DataFrame) -> None:
    few = pool.head(7).assign(error_test=pool[CELLS[1]].head(7))
    batches = by_cell(per_batch, [*few["model"]])
    found = correlations(few, batches=batches, resamples=5)
    flags = found.set_index(["cell", "target"])["flag"]
    assert flags[CELLS[1], "error_test"] == "n < 8; |τ| = 1; too few batches"
    assert flags[CELLS[0], "learning_rate"] == "n < 8"
    constant = correlations(few.assign(error_test=1.0), batches=batches, resamples=5)
    undefined = constant[constant["status"] != "ok"]
    assert len(undefined)
    assert set(undefined["flag"]) == {""}
    assert undefined["reliability"].isna().all()


def test_without_batches_nothing_is_said_of_them(pool: pd.DataFrame) -> None:
    found = correlations(pool, resamples=5)
    assert found[["reliability", "ceiling", "batch_low", "batch_high"]].isna().all(axis=None)
    assert set(found["flag"]) == {""}


def test_families_have_the_ceiling_of_each_cell(
    pool: pd.DataFrame, batches: dict[str, Batches]
) -> None:
    found = families(pool, {"test error": ["error_test"]}, batches, draws=20)
    every = correlations(pool, batches=batches, resamples=5).set_index(["cell", "target"])
    for row in found.to_dict("records"):
        expected = every.loc[(row["cell"], "error_test"), "ceiling"]
        assert row["ceiling"] == pytest.approx(expected)
