"""What the study found: Table 1, every run, and whether sharpness ranks the solutions by error."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from sharpness.definition import Cell
from sharpness.kendall import kendall
from sharpness.simple.findings import Finding
from sharpness.simple.two_layer_relu.catalogue import Catalogue, architectures, load_catalogue
from sharpness.simple.two_layer_relu.reading import Files, in_pool, length, of_run, read
from sharpness.simple.two_layer_relu.runs import TITLES, Run
from sharpness.simple.two_layer_relu.table1 import NONE, listed, table1
from sharpness.tables.formats import format_tau

_WORDS = {
    "trace": "Tr ∇²L",
    "gauss_newton": "mean ℓ'' ‖∇f‖²",
    "adaptive_trace": "Tr(∇²L ⊙ wwᵀ)",
}


def summarise(files: Files) -> list[Finding]:
    """The findings, from the files of all jobs.

    Args:
        files: ``catalogue``, the path of the experiments, and ``solutions``, those of the CSVs.

    Raises:
        Problem: the catalogue is none, or there is no file of solutions.
    """
    catalogue = load_catalogue(files["catalogue"])
    solutions = read(files, "solutions")
    return [
        *table1(catalogue, solutions),
        *_correlations(catalogue, solutions),
        *(finding for run in catalogue.runs for finding in _of_run(run, solutions)),
    ]


def _correlations(catalogue: Catalogue, solutions: pd.DataFrame) -> Iterator[Finding]:
    """τ of every measure and the test error within each architecture."""
    measures = [*_WORDS, *(column for column in solutions.columns if "@" in column)]
    for architecture, runs in architectures(catalogue.runs).items():
        pool = in_pool(solutions, runs)
        if pool.empty:
            continue
        setting = (
            f"{TITLES[architecture]}: {len(pool)} solutions of {pool['run'].nunique()} runs "
            f"with {pool['seed'].nunique()} seeds"
        )
        same = np.allclose(pool["trace"], pool["gauss_newton"])
        for measure in measures:
            if measure == "gauss_newton" and same:
                continue
            found = kendall(pool[measure], pool["test_error"])
            ok = found.status == "ok"
            yield Finding(
                quantity=f"τ({_worded(measure)}, test error)",
                setting=setting,
                published="",
                value=format_tau(found.tau) if ok else NONE,
                spread=_by_seed(pool, measure) if ok else "",
                note=found.reason,
            )


def _by_seed(pool: pd.DataFrame, measure: str) -> str:
    """τ over the runs of each seed alone, which share data and initial weights; "" if too few."""
    taus = [
        kendall(rows[measure], rows["test_error"], resamples=0, test=False).tau
        for _, rows in pool.groupby("seed")
    ]
    return f"within each seed {', '.join(map(format_tau, taus))}" if np.isfinite(taus).all() else ""


def _worded(measure: str) -> str:
    """A column of the solutions in words."""
    if measure in _WORDS:
        return _WORDS[measure]
    cell = Cell.parse(measure)
    return f"{cell.definition.title} at ρ = {cell.radius:g}"


def _of_run(run: Run, solutions: pd.DataFrame) -> Iterator[Finding]:
    """The test error and the trace of a run, by seed."""
    rows = of_run(solutions, run)
    if rows.empty:
        return
    parity = run.task.name == "parity"
    errors = 1 - rows["test_error"] if parity else rows["test_error"]
    finite = rows["status"] == "ok"
    seeds = f"seeds {listed(rows.loc[finite, 'seed'], 'd')}"
    figure = f"Figure {run.figure.removeprefix('wen')} ({run.panel}); " if run.figure else ""
    reasons = "; ".join(rows["reason"].dropna().unique())
    for quantity, values, form in (
        ("test accuracy" if parity else "test mean squared error", errors, ".3f"),
        ("Tr ∇²L", rows["trace"], ".4g"),
    ):
        yield Finding(
            quantity=quantity,
            setting=f"{run.id}: {TITLES[run.architecture]}, {run.title}",
            published=run.claim if quantity != "Tr ∇²L" else "",
            value=f"{values[finite].mean():{form}}" if finite.any() else NONE,
            spread=f"{listed(values[finite], form)} ({seeds})" if finite.any() else "",
            note="; ".join(filter(None, (f"{figure}{length(run, solutions)}", reasons))),
        )
