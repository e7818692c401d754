"""Table 1 of Wen, Ma and Li (2023): do all flattest solutions generalize, and does 1-SAM?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from sharpness.simple.findings import Finding
from sharpness.simple.two_layer_relu.catalogue import Catalogue
from sharpness.simple.two_layer_relu.reading import length, of_run
from sharpness.simple.two_layer_relu.runs import TITLES, Run

GENERALIZES = 0.9
"""From this test accuracy on, a network generalizes: chance is 0.5, and weight decay nears 1."""

AT_THE_BOUND = 1.001
"""A trace of at most so many times the least one belongs to a flattest solution."""

NONE = "not measured"


def table1(catalogue: Catalogue, solutions: pd.DataFrame) -> Iterator[Finding]:
    """Both columns of the table for each architecture of the catalogue's."""
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
    """A flattest solution that fails shows "no"; that none does is a theorem, not measured."""
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
    )


def _sam(architecture: str, published: bool, runs: Iterable[Run], rows: pd.DataFrame) -> Finding:
    """Whether the solutions of 1-SAM generalize, all of them or some."""
    trained = [(run, of_run(rows, run)) for run in runs]
    measured = [(run, found[found["status"] == "ok"]) for run, found in trained]
    measured = [(run, found) for run, found in measured if len(found)]
    reasons = [reason for _, found in trained for reason in found["reason"].dropna().unique()]
    good = [1 - error >= GENERALIZES for _, found in measured for error in found["test_error"]]
    value = NONE if not good else _yes(good[0]) if len(set(good)) == 1 else "in part"
    shown = [
        f"{run.id}: test accuracy {listed(1 - found['test_error'], '.3f')}; "
        f"Tr ∇²L {listed(found['trace'], '.4g')}{_fitted(found)}"
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
                *(f"{run.id}: {length(run, found)}" for run, found in measured),
                *reasons,
            ]
        ),
    )


def _fitted(rows: pd.DataFrame) -> str:
    """The part of the traces that fitting leaves, where it is not all of them."""
    if np.allclose(rows["trace"], rows["gauss_newton"]):
        return ""
    return f", without the residuals' part {listed(rows['gauss_newton'], '.4g')}"


def listed(values: Iterable[float], form: str) -> str:
    """Numbers one after the other, in a format."""
    return ", ".join(f"{value:{form}}" for value in values)


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"
