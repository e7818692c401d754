"""Convergence by steps, draws and batches, and two protocols side by side: cases of known order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sharpness.measures.definition import Cell, Definition
from sharpness.statistics.convergence import convergence
from sharpness.statistics.correlation import correlations
from sharpness.statistics.families import families
from sharpness.statistics.protocols import protocols
from sharpness.statistics.reliability import by_cell

DEFINITION = Definition("worst", "linf", adaptive=True, logit_norm=True)
ERROR = np.arange(12.0)
KINDS = {"test error": ["error_test"]}


def pool_of(cells: dict[Cell, np.ndarray]) -> pd.DataFrame:
    models = [f"m{i}" for i in range(len(ERROR))]
    frame = pd.DataFrame({"model": models, "status": "ok", "reason": "", "error_test": ERROR})
    return frame.assign(gap=-ERROR, **{cell.id: values for cell, values in cells.items()})


def test_tau_by_steps_draws_and_batches() -> None:
    main = Cell(DEFINITION, 1.0)
    steps = {Cell(DEFINITION, 1.0, steps=n): v for n, v in ((10, 2 * ERROR), (5, -ERROR))}
    draws = Cell(replace(DEFINITION, case="average"), 1.0)
    fewer = {replace(draws, samples=2): -ERROR, draws: ERROR}
    pool = pool_of({main: ERROR} | steps | fewer)
    # The second batch outweighs the first, the third of two examples changes nothing.
    batches = [(-ERROR, 4), (3 * ERROR, 4), (ERROR, 2)]
    rows = [
        (model, main.id, batch, examples, values[place])
        for batch, (values, examples) in enumerate(batches)
        for place, model in enumerate(pool["model"])
    ]
    per_batch = pd.DataFrame(rows, columns=["model", "cell", "batch", "examples", "value"])
    batches_of = by_cell(per_batch, [*pool["model"]])
    found = convergence(pool, batches_of, {"steps": 20, "samples": 9}).to_dict("records")
    shown = [tuple(row[name] for name in ("kind", "amount", "tau", "rank")) for row in found]
    assert shown == [
        ("steps", 5, -1, -1),
        ("steps", 10, 1, 1),
        ("steps", 20, 1, 1),
        ("samples", 2, -1, -1),
        ("samples", 9, 1, 1),
        ("batches", 1, -1, -1),
        ("batches", 2, 1, 1),
        ("batches", 3, 1, 1),
    ]
    assert {row["cell"] for row in found} == {main.id, draws.id}
    assert found[0]["median"] == -5.5
    assert found[-1]["median"] == pytest.approx(1.0 * 5.5)


def test_two_protocols_of_opposite_order() -> None:
    first, second = (Cell(DEFINITION, 1.0, name) for name in ("paper", "released"))
    pool = pool_of({first: ERROR, second: -ERROR, Cell(DEFINITION, 2.0): ERROR})
    table = correlations(pool, resamples=50)
    judged = families(pool, KINDS, draws=200)
    found = protocols(pool, table, judged, KINDS, draws=200)
    assert list(found["cell"]) == [first.id] * 2  # the other cell has one protocol alone
    row, gap = found.to_dict("records")
    assert (row["target"], row["family"], row["rank"]) == ("error_test", "test error", -1)
    assert (row["first"], row["second"]) == ("paper", "released")
    assert (row["first_tau"], row["second_tau"]) == (1, -1)
    assert (row["first_verdict"], row["second_verdict"]) == ("yes", "reverse")
    assert row["conclusions"] == "opposite"
    assert (gap["target"], gap["family"], gap["first_verdict"]) == ("gap", "", "")


def test_a_protocol_of_noise_concludes_nothing() -> None:
    noise = np.random.default_rng(0).permutation(ERROR)
    cells = {Cell(DEFINITION, 1.0): ERROR, Cell(DEFINITION, 1.0, "released"): noise}
    pool = pool_of(cells)
    table = correlations(pool, resamples=200)
    found = protocols(pool, table, families(pool, KINDS, draws=50), KINDS, draws=50)
    assert set(found["conclusions"]) == {"one only"}
    alone = pool.drop(columns=[cell.id for cell in cells if cell.protocol == "released"])
    assert protocols(alone, table, families(alone, KINDS, draws=50), KINDS).empty
