"""Findings of the study: Table 1, every run, and τ of each measure with the test error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sharpness.io.errors import UserError
from sharpness.measures.definition import Cell
from sharpness.statistics.kendall import format_tau, kendall
from sharpness.studies.findings import Finding, judged
from sharpness.studies.wen.runs import TITLES, Catalogue, Run, architectures, load_runs

Files = Mapping[str, Any]
"""Paths by content: ``catalogue``, and lists of ``solutions``, ``curves``, ``weights``."""


def read_tables(files: Files, kind: str) -> pd.DataFrame:
    """Return the rows of all CSV files of a kind.

    Raises:
        UserError: if there is no file of the kind.
    """
    paths = paths_of(files, kind)
    if not paths:
        raise UserError(f"no file of {kind} of two_layer_relu; make two_layer_relu first")
    tables = [pd.read_csv(path) for path in paths]
    return pd.concat([table for table in tables if len(table)], ignore_index=True)


def paths_of(files: Files, kind: str) -> list[Path]:
    """Return the paths of a kind as a list, even if a single one is given."""
    found = files.get(kind, [])
    return [Path(path) for path in ([found] if isinstance(found, str | Path) else found)]


def of_run(table: pd.DataFrame, run: Run) -> pd.DataFrame:
    """Return the rows of a run, sorted by seed."""
    return table[table["run"] == run.id].sort_values("seed", kind="stable")


def in_pool(solutions: pd.DataFrame, runs: Iterable[Run]) -> pd.DataFrame:
    """Return the finished solutions of those runs that are compared with each other."""
    names = [run.id for run in runs if run.pool]
    return solutions[solutions["run"].isin(names) & (solutions["status"] == "ok")]


def describe_training(run: Run, solutions: pd.DataFrame) -> str:
    """Describe a run's training: ``4,000 of 100,000 epochs``, and if its settings deviate."""
    rows = of_run(solutions, run)
    if rows.empty:
        return ""
    schedule = rows["schedule"].iloc[0]
    if not run.reduced(schedule):
        return f"{run.epochs(schedule):,} epochs"
    other = "" if run.shortened(schedule) else ", partly other settings"
    return f"{run.epochs(schedule):,} of {run.epochs('published'):,} epochs{other}"


GENERALIZES = 0.9
"""Test accuracy from which a network generalizes: chance is 0.5, and weight decay nears 1."""

AT_THE_BOUND = 1.001
"""Solutions with a trace of at most this multiple of the least one count as flattest."""

FAR = 1.5
"""Solutions whose mean trace is above this multiple of the least one are not near the flattest."""

NONE = "not measured"


def table1(catalogue: Catalogue, solutions: pd.DataFrame) -> Iterator[Finding]:
    """Yield findings on both columns of Table 1 for each architecture."""
    for architecture, published in catalogue.table1.items():
        rows = solutions[solutions["architecture"] == architecture]
        sam = [
            run
            for run in catalogue.runs
            if run.architecture == architecture and run.role == "sam" and run.pool
        ]
        yield _flattest(architecture, published.flattest, rows[rows["role"] == "construction"])
        yield _sam(architecture, published.sam, sam, rows)


def _flattest(architecture: str, published: bool, built: pd.DataFrame) -> Finding:
    """Return the finding: "no" if a flattest solution fails. That none does is a theorem."""
    at_bound = built[built["trace"] <= AT_THE_BOUND * built["bound"]]
    fails = (1 - at_bound["test_error"] < GENERALIZES).any()
    value = NONE if at_bound.empty else "no" if fails else "not refuted"
    shown = [
        f"{str(run).removeprefix(architecture + '-').replace('-', ' ')}: test accuracy "
        f"{1 - rows['test_error'].mean():.3f}, Tr ∇²L {rows['trace'].mean():.4f}"
        for run, rows in built.groupby("run", sort=False)
    ]
    least = [f"least trace known {built['bound'].iloc[0]:.4f}"] if len(built) else []
    note = (
        "an explicit flattest solution fails"
        if fails
        else "our construction at the least trace known generalizes; the paper proves it for all, "
        "under conditions on the training set that 100 random examples need not meet"
    )
    return Finding(
        quantity="All flattest solutions generalize (Table 1)",
        setting=TITLES[architecture],
        published=_yes(published),
        value=value,
        spread="; ".join([*shown, *least]),
        note="" if value == NONE else note,
        # That all generalize is a theorem, which no example confirms.
        verdict=judged(
            None if at_bound.empty or (published and not fails) else bool(fails) != published
        ),
    )


def _sam(architecture: str, published: bool, runs: Iterable[Run], rows: pd.DataFrame) -> Finding:
    """Return the finding on whether all, some or none of 1-SAM's solutions generalize."""
    trained = [(run, of_run(rows, run)) for run in runs]
    measured = [(run, found[found["status"] == "ok"]) for run, found in trained]
    measured = [(run, found) for run, found in measured if len(found)]
    reasons = [reason for _, found in trained for reason in found["reason"].dropna().unique()]
    good = [1 - error >= GENERALIZES for _, found in measured for error in found["test_error"]]
    value = NONE if not good else _yes(good[0]) if len(set(good)) == 1 else "in part"
    value += _distance(pd.concat([found for _, found in measured])) if measured else ""
    full = good and not any(run.reduced(found["schedule"].iloc[0]) for run, found in measured)
    shown = [
        f"{run.id}: test accuracy {join_numbers(1 - found['test_error'], '.3f')}; "
        f"Tr ∇²L {join_numbers(found['trace'], '.4g')}{_fitted(found)}"
        for run, found in measured
    ]
    least = [
        f"{word} {found[column].iloc[0]:.4g}"
        for _, found in measured[:1]
        for word, column in (("least known", "bound"), ("with its active neurons", "active_bound"))
        if found[column].notna().any()
    ]
    return Finding(
        quantity="1-SAM generalizes (Table 1)",
        setting=TITLES[architecture],
        published=_yes(published),
        value=value,
        spread="; ".join([*shown, *least]),
        note="; ".join(
            [
                f"yes from a test accuracy of {GENERALIZES} on",
                *(f"{run.id}: {describe_training(run, found)}" for run, found in measured),
                *reasons,
            ]
        ),
        verdict=judged(set(good) == {published} if full else None),
    )


def _distance(rows: pd.DataFrame) -> str:
    """Return how far above the least trace known solutions are; "" if they are near it."""
    times = (rows["trace"] / rows["bound"]).mean()
    return f", at {times:.2g} times the least trace known" if times > FAR else ""


def _fitted(rows: pd.DataFrame) -> str:
    """Return `measures.gauss_newton` as text, or "" where it equals the trace."""
    if np.allclose(rows["trace"], rows["gauss_newton"]):
        return ""
    return f", without the residuals' part {join_numbers(rows['gauss_newton'], '.4g')}"


def join_numbers(values: Iterable[float], form: str) -> str:
    """Join formatted numbers by commas."""
    return ", ".join(f"{value:{form}}" for value in values)


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"


_WORDS = {
    "trace": "Tr ∇²L",
    "gauss_newton": "mean ℓ'' ‖∇f‖²",
    "adaptive_trace": "Tr(∇²L ⊙ wwᵀ)",
}


def summarise(files: Files) -> list[Finding]:
    """Return the findings of the study beside the published values.

    ``files`` has the paths ``catalogue`` and ``solutions``.

    Raises:
        UserError: if the catalogue is invalid, or there is no file of solutions.
    """
    catalogue = load_runs(files["catalogue"])
    solutions = read_tables(files, "solutions")
    return [
        *table1(catalogue, solutions),
        *_correlations(catalogue, solutions),
        *(finding for run in catalogue.runs for finding in _of_run(run, solutions)),
    ]


def _correlations(catalogue: Catalogue, solutions: pd.DataFrame) -> Iterator[Finding]:
    """Yield τ of every measure with the test error within each architecture."""
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
    """Return τ within each seed, whose runs share data and initial weights; "" if too few."""
    taus = [
        kendall(rows[measure], rows["test_error"], resamples=0, test=False).tau
        for _, rows in pool.groupby("seed")
    ]
    return f"within each seed {', '.join(map(format_tau, taus))}" if np.isfinite(taus).all() else ""


def _worded(measure: str) -> str:
    if measure in _WORDS:
        return _WORDS[measure]
    cell = Cell.parse(measure)
    return f"{cell.definition.title} at ρ = {cell.radius:g}"


def _of_run(run: Run, solutions: pd.DataFrame) -> Iterator[Finding]:
    """Yield the findings on the test error and the trace of a run, by seed."""
    rows = of_run(solutions, run)
    if rows.empty:
        return
    parity = run.task.name == "parity"
    errors = 1 - rows["test_error"] if parity else rows["test_error"]
    finite = rows["status"] == "ok"
    seeds = f"seeds {join_numbers(rows.loc[finite, 'seed'], 'd')}"
    figure = f"Figure {run.figure.removeprefix('wen')} ({run.panel}); " if run.figure else ""
    reasons = "; ".join(rows["reason"].dropna().unique())
    full = finite.all() and not run.reduced(rows["schedule"].iloc[0])
    verdict = judged(bool((errors >= GENERALIZES).all()) if full else None)
    for quantity, values, form in (
        ("test accuracy" if parity else "test mean squared error", errors, ".3f"),
        ("Tr ∇²L", rows["trace"], ".4g"),
    ):
        yield Finding(
            quantity=quantity,
            setting=f"{run.id}: {TITLES[run.architecture]}, {run.title}",
            published=run.claim if quantity != "Tr ∇²L" else "",
            value=f"{values[finite].mean():{form}}" if finite.any() else NONE,
            spread=f"{join_numbers(values[finite], form)} ({seeds})" if finite.any() else "",
            note="; ".join(filter(None, (f"{figure}{describe_training(run, solutions)}", reasons))),
            verdict=verdict if run.claim == "generalizes" and quantity == "test accuracy" else "",
        )
