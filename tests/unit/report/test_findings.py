"""The small tables of a pool say what their files hold."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sharpness.report.page.findings import small_tables


def test_medians_and_counts() -> None:
    steps = [
        ("steps", cell, n, 9, tau, tau, 1.0)
        for cell, taus in (("a", (0.1, 0.5)), ("b", (0.3, 0.4)))
        for n, tau in zip((5, 10), taus, strict=True)
    ]
    convergence = pd.DataFrame(
        steps, columns=["kind", "cell", "amount", "models", "tau", "rank", "median"]
    )
    both = {"first": "paper", "second": "released", "rank": 0.9, "first_tau": 0.5}
    both |= {"second_tau": -0.25, "first_verdict": "yes", "second_verdict": None}
    kinds = ["same", "opposite", "same"]
    protocols = pd.DataFrame(
        [{"cell": "x", "target": "error_test", "conclusions": kind, **both} for kind in kinds]
        + [{"cell": "x", "target": "gap", "conclusions": "same", **both}]
    )
    first, second = small_tables({"convergence": convergence, "protocols": protocols})
    assert first.rows == (
        ("steps: 5", "2", "0.20", "0.25", "0.20"),
        ("steps: 10", "2", "0.45", "0.00", "0.45"),
    )
    row = ("Test error", "3", "0.50", "-0.25", "0.90", "2", "0", "1", "yes", "exploratory")
    assert second.rows == (row,)
    assert {len(table.headings) - len(table.rows[0]) for table in (first, second)} == {0}
    assert small_tables({"protocols": protocols.iloc[:0]}) == []


def test_the_table_of_a_grid() -> None:
    numbers = ("settings", "groups", "environments", "tau", "psi", "psi_p", "sign_error")
    row = dict.fromkeys(numbers, 12.0) | {"cell": "worst-l2-adaptive-rawlogits@1+paper"}
    row |= {"worst": float("nan"), "worst_p": float("nan"), "information": 0.25}
    (table,) = small_tables({"grid": pd.DataFrame([row | {"information_p": 0.5, "tau": 0.5}])})
    words = "adaptive worst-case ℓ2 without logit normalization at ρ = 1.0"
    assert table.rows == ((words, "0.50", "12.00", "12.00", "12.00", "–", "–", "0.25", "0.50"),)
    assert "12 settings, 12 groups, 12 environments" in table.caption
    none = pd.DataFrame([{"cell": None, "reason": "hyper-parameters form no grid"}])
    assert small_tables({"grid": none}) == []


def test_the_table_of_measures() -> None:
    gauged = "worst-l2-adaptive-rawlogits-gauge@0.1+paper+restarts5"
    values = {"models": 9, "low": -0.1, "high": 0.6, "draws": 10_000, "status": "ok", "reason": ""}
    columns = ["cell", "target", "tau", "p", "ceiling"]
    taus = [
        (gauged, "error_test", 0.5, 0.031, 0.8),
        ("weight-norm", "error_test", -0.25, 1.0, np.nan),
        (gauged, "gap", 0.9, 0.004, 0.8),
        ("weight-norm", "gap", np.nan, np.nan, np.nan),
    ]
    found = pd.DataFrame(taus, columns=columns).assign(**values)
    found.loc[3, ["status", "reason"]] = "undefined", "the same for all"
    (table,) = small_tables({"measures": found})
    words = "adaptive worst-case ℓ2, balanced heads without logit normalization at ρ = 0.1"
    both = ("0.50 [-0.10, 0.60]", "0.031", "0.90 [-0.10, 0.60]", "0.004", "?", "9")
    assert table.rows == (
        (f"{words}, best of 5 starts", *both),
        ("weight-norm", "-0.25 [-0.10, 0.60]", "1", "the same for all", "–", "–", "9"),
    )
    assert len(table.headings) == 7
    assert "all 2 measures by 10,000 permutations" in table.caption
