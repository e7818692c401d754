"""What a pool says about the two hypotheses of Sec. 3.1, in sentences computed from its numbers.

The strong hypothesis: sharpness and error rise together, so τ is high. The weak one: the flattest
models generalize well, whatever the others do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

import numpy as np
import pandas as pd

from sharpness.correlation import cell_columns
from sharpness.definition import Cell
from sharpness.kendall import FEWEST
from sharpness.tables.formats import format_radius, format_tau
from sharpness.tables.parts import PUBLISHED, STRONG, Table

PROTOCOL = "paper"
"""The measurement that the verdict is about."""

FLATTEST = 0.1
"""The share of a pool that counts as its flattest models (at least one)."""

BEST = 0.25
"""Their mean error must lie among this best share of the pool's to count as good."""

SIGNIFICANT = 0.05
"""Within subgroups of a few models intervals are too narrow, so p-values count there."""

_ERRORS = {"error_test": "test error", "error_corrupted": "OOD error"}


def counts(pool: pd.DataFrame) -> str:
    """How many models were used, skipped and failed, and why."""
    used = int((pool["status"] == "ok").sum())
    parts = [f"{len(pool)} models, {used} of them used"]
    for status in ("skipped", "failed"):
        reasons = pool.loc[pool["status"] == status, "reason"]
        if len(reasons):
            parts.append(f"{len(reasons)} {status}: {_kinds(reasons)}")
    return "; ".join(parts) + "."


def judge(pool: pd.DataFrame, correlations: pd.DataFrame) -> list[tuple[str, str]]:
    """Headings and sentences about one pool.

    Args:
        pool: its ``pool.csv``.
        correlations: its ``correlations.csv``.
    """
    found = _main(correlations)
    overall = found[found["subgroup"] == "all"]
    sentences = [("Models", counts(pool))]
    for target, words in _ERRORS.items():
        sentences.append((f"Correlation with {words}", _overall(overall, target, words)))
    sentences.append(("Within subgroups (test error)", _within(found)))
    sentences.append(("Learning rate", _overall(overall, "learning_rate", "learning rate")))
    sentences.append(("Strong hypothesis", _strong(overall)))
    sentences.append(("Weak hypothesis", _weak(pool)))
    return sentences


def agreement(table: Table) -> list[str]:
    """How the computed coefficients of a table compare with the published ones, by protocol."""
    lines = []
    for heading, group in groupby(enumerate(table.columns), key=lambda item: item[1].heading):
        places = {column.source: place for place, column in group}
        printed = places.pop(PUBLISHED)
        for source, place in places.items():
            both = [(row.entries[place], row.entries[printed].tau) for row in table.rows]
            both = [(e, tau) for e, tau in both if np.isfinite(e.tau) and np.isfinite(tau)]
            if not both:
                lines.append(f"{heading}, protocol {source}: nothing to compare.")
                continue
            n = len(both)
            sign = sum(np.sign(e.tau) == np.sign(tau) for e, tau in both)
            inside = sum(e.low <= tau <= e.high for e, tau in both)
            off = np.mean([abs(e.tau - tau) for e, tau in both])
            lines.append(
                f"{heading}, protocol {source}: the sign agrees for {sign} of {n}, the published "
                f"value lies in the computed interval for {inside}; mean difference {off:.2f}."
            )
    return lines


def _kinds(reasons: pd.Series) -> str:
    """The reasons by number of models; those that differ in their numbers alone count as one."""
    kinds: dict[str, list[str]] = {}
    for reason in reasons:
        kinds.setdefault(re.sub(r"[\d.]+", "#", reason), []).append(reason)
    ranked = sorted(kinds.values(), key=lambda same: (-len(same), same[0]))
    return ", ".join(
        f"{same[0]} ({len(same)})" if len(set(same)) == 1 else f"{len(same)} like {same[0]!r}"
        for same in ranked
    )


def _main(correlations: pd.DataFrame) -> pd.DataFrame:
    """The defined coefficients of the main measurement, without the ablations."""
    cells = {word: Cell.parse(word) for word in correlations["cell"].unique()}
    base = {w for w, c in cells.items() if c == Cell(c.definition, c.radius, PROTOCOL)}
    return correlations[correlations["cell"].isin(base) & (correlations["status"] == "ok")]


def _overall(overall: pd.DataFrame, target: str, words: str) -> str:
    rows = overall[overall["target"] == target]
    if rows.empty:
        return f"No coefficient with the {words} could be computed."
    best = rows.iloc[int(rows["tau"].abs().to_numpy().argmax())]
    cell = Cell.parse(best["cell"])
    logits = "with" if cell.definition.logit_norm else "without"
    high, low = (rows["tau"] > STRONG).sum(), (rows["tau"] < -STRONG).sum()
    return (
        f"Strongest for {cell.definition.title} {logits} logit normalization at "
        f"ρ = {format_radius(cell.radius)}: τ = {format_tau(best['tau'])} "
        f"[{format_tau(best['low'])}, {format_tau(best['high'])}] over {best['models']} models. "
        f"Of {len(rows)} definitions and radii, {high + low} have |τ| > {STRONG}: "
        f"{high} positive, {low} negative."
    )


def _within(found: pd.DataFrame) -> str:
    rows = found[(found["target"] == "error_test") & (found["subgroup"] != "all")]
    parts = []
    for name, group in rows.groupby("subgroup", sort=True):
        parts.append(
            f"{name} ({group['models'].max()} models): τ is positive for {_count(group, 1)} "
            f"and negative for {_count(group, -1)}"
        )
    return "; ".join(parts) + "." if parts else "No subgroup has enough models."


def _count(rows: pd.DataFrame, sign: int) -> str:
    """How many coefficients have the sign, and how many of them are unlikely to be chance."""
    same = rows[np.sign(rows["tau"]) == sign]
    return f"{len(same)} ({(same['p'] < SIGNIFICANT).sum()} with p < {SIGNIFICANT})"


def _strong(overall: pd.DataFrame) -> str:
    tau = overall.loc[overall["target"] == "error_test", "tau"]
    if tau.empty:
        return "Nothing to judge it by."
    support, against = int((tau > STRONG).sum()), int((tau < -STRONG).sum())
    return (
        f"{_word(support, len(tau))}: sharper models have clearly more test error "
        f"(τ > {STRONG}) under {support} of {len(tau)} definitions and radii, clearly less "
        f"(τ < −{STRONG}) under {against}."
    )


def _weak(pool: pd.DataFrame) -> str:
    good = list(_flattest_are_good(pool))
    if not good:
        return "Nothing to judge it by."
    return (
        f"{_word(sum(good), len(good))}: the mean test error of the flattest {FLATTEST:.0%} of the "
        f"models is among the best {BEST:.0%} of the pool's under {sum(good)} of {len(good)} "
        "definitions and radii."
    )


def _flattest_are_good(pool: pd.DataFrame) -> Iterator[bool]:
    """For each cell of the main measurement, whether its flattest models generalize well."""
    for word in cell_columns(pool):
        cell = Cell.parse(word)
        if cell != Cell(cell.definition, cell.radius, PROTOCOL):
            continue
        known = pool[[word, "error_test"]].dropna()
        if len(known) < FEWEST or known[word].nunique() == 1:
            continue
        flattest = known.nsmallest(max(1, round(FLATTEST * len(known))), word)
        yield bool(flattest["error_test"].mean() <= known["error_test"].quantile(BEST))


def _word(support: int, total: int) -> str:
    if support == 0:
        return "Not supported"
    if support == total:
        return "Supported throughout"
    return "Supported by a part" if 2 * support < total else "Supported by most"
