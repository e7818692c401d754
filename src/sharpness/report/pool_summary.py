"""Sentences of the report about a pool's models and its agreement with published numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pandas as pd

from sharpness.evaluation.published import LIMIT
from sharpness.measures.definition import Cell
from sharpness.report.tables.writers import PUBLISHED, Section, Table, in_words
from sharpness.report.verdict import describe, join_names, main_cells, target_title
from sharpness.statistics.correlation import cell_columns
from sharpness.statistics.kendall import kendall

_STATUSES = ("skipped", "excluded", "failed", "missing")

_NAMED = ("excluded", "failed")
"""Statuses whose models are named, since losing them is unexpected; others are counted."""

_SAME = 0.01
"""Relative tolerance for the cells of identical models: GPUs do not repeat bits."""

_ROUNDING = 1e-6
"""Absolute tolerance: cells are differences of losses in single precision."""


def count_models(pool: pd.DataFrame) -> str:
    """Return a sentence with the number of models used, and of the others by status and reason."""
    used = int((pool["status"] == "ok").sum())
    parts = [f"{len(pool)} models, {used} of them used"]
    others = set(pool["status"]) - {"ok", *_STATUSES}
    for status in (*_STATUSES, *sorted(others)):
        rows = pool[pool["status"] == status]
        if len(rows):
            names = f" ({join_names([*rows['model']])})" if status in _NAMED else ""
            parts.append(f"{len(rows)} {status}{names}: {_kinds(rows['reason'])}")
    return "; ".join(parts) + "."


def _kinds(reasons: pd.Series) -> str:
    """Count models by reason; reasons that differ only in numbers count as one."""
    kinds: dict[str, list[str]] = {}
    for reason in reasons:
        kinds.setdefault(re.sub(r"[\d.]+", "#", reason), []).append(reason)
    ranked = sorted(kinds.values(), key=lambda same: (-len(same), same[0]))
    return ", ".join(
        f"{same[0]} ({len(same)})" if len(set(same)) == 1 else f"{len(same)} like {same[0]!r}"
        for same in ranked
    )


def duplicate_models(pool: pd.DataFrame) -> list[list[str]]:
    """Return groups of identical models: equal errors, and cells that agree within 1 %."""
    used = pool[pool["status"] == "ok"]
    errors = used[[name for name in used.columns if name.startswith("error_")]].to_numpy(float)
    cells = used[cell_columns(used)].to_numpy(float)
    groups: list[list[int]] = []
    known = np.isfinite(errors).any(axis=1) & np.isfinite(cells).any(axis=1)
    for i in np.flatnonzero(known).tolist():
        for group in groups:
            same = np.array_equal(errors[i], errors[group[0]], equal_nan=True)
            both = cells[i], cells[group[0]]
            if same and np.allclose(*both, rtol=_SAME, atol=_ROUNDING, equal_nan=True):
                group.append(i)
                break
        else:
            groups.append([i])
    return [[*used["model"].iloc[group]] for group in groups if len(group) > 1]


def effect_of_copies(pool: pd.DataFrame) -> str:
    """Return a sentence on duplicate models and how τ changes without them; empty if none."""
    groups = duplicate_models(pool)
    if not groups:
        return ""
    names = "; ".join(f"{in_words(group)} are one model" for group in groups)
    text = f"By their errors and cells, {names}."
    extra = [model for group in groups for model in group[1:]]
    once = pool[~pool["model"].isin(extra)]
    words = main_cells(cell_columns(pool))
    before, after = (np.array([_tau(frame, word) for word in words]) for frame in (pool, once))
    changes = np.abs(after - before)
    if not np.isfinite(changes).any():
        return text
    most = int(np.nanargmax(changes))
    return (
        f"{text} With one of each, τ with the test error changes by {changes[most]:.3f} at most: "
        f"from {before[most]:.3f} to {after[most]:.3f} for {describe(Cell.parse(words[most]))}."
    )


def _tau(pool: pd.DataFrame, cell: str) -> float:
    return kendall(pool[cell], pool["error_test"], resamples=0, test=False).tau


_WORST = 5
"""Number of disagreeing accuracies that are named."""


@dataclass(frozen=True)
class Agreement:
    """Comparison of computed and published coefficients of one pool, error and protocol.

    Attributes:
        section: name of the pool.
        error: heading of the error's columns.
        both: number of rows with a computed and a published coefficient.
        sign: number of those whose signs agree.
        inside: number of published values within the computed interval.
        difference: mean absolute difference; NaN without any row.
    """

    section: str
    error: str
    protocol: str
    both: int
    sign: int
    inside: int
    difference: float


def agreement(table: Table) -> list[Agreement]:
    """Compare a table's coefficients with the published ones by pool, error and protocol."""
    return [line for section in table.sections for line in _of_section(table, section)]


def _of_section(table: Table, section: Section) -> Iterator[Agreement]:
    for error, group in groupby(enumerate(table.columns), key=lambda item: item[1].heading):
        places = {column.source: place for place, column in group}
        printed = places.pop(PUBLISHED)
        for protocol, place in places.items():
            both = [(row.entries[place], row.entries[printed].tau) for row in section.rows]
            both = [(e, tau) for e, tau in both if np.isfinite(e.tau) and np.isfinite(tau)]
            yield Agreement(
                section.pool,
                error,
                protocol,
                len(both),
                sum(bool(np.sign(e.tau) == np.sign(tau)) for e, tau in both),
                sum(e.low <= tau <= e.high for e, tau in both),
                float(np.mean([abs(e.tau - tau) for e, tau in both])) if both else np.nan,
            )


def accuracies(published: pd.DataFrame) -> tuple[str, str]:
    """Compare evaluated with published accuracies (the contents of ``published.csv``).

    Returns:
        A sentence, and a warning that is empty if all agree.
    """
    known = published[published["evaluated"].notna()]
    fair = known[known["comparable"]]
    off = fair[fair["warn"]]
    text = (
        f"{len(fair) - len(off)} of {len(fair)} agree with the evaluated ones within {LIMIT} points"
    )
    others = {
        "for another preparation of the data": len(known) - len(fair),
        "not evaluated here": len(published) - len(known),
    }
    if left := [f"{count} {why}" for why, count in others.items() if count]:
        text += f"; not compared: {in_words(left)}"
    if sources := sorted(set(published["source"].dropna())):
        text += f". Source: {'; '.join(sources)}"
    return f"{text}.", _warning(off, len(fair))


def _warning(off: pd.DataFrame, compared: int) -> str:
    """Return a warning that lists the worst accuracies of ``off``; empty if there is none."""
    if off.empty:
        return ""
    worst = off["difference"].abs().sort_values(ascending=False, kind="stable").index[:_WORST]
    words = [
        f"{row['model']}, {target_title('error_' + row['part'])}: "
        f"{100 * row['evaluated']:.2f} % here, {100 * row['published']:.2f} % published"
        for row in off.loc[worst].to_dict("records")
    ]
    more = f"; and {len(off) - _WORST} more" if len(off) > _WORST else ""
    return (
        f"{len(off)} of {compared} published accuracies differ by more than {LIMIT} points from "
        f"the evaluated ones. {'; '.join(words)}{more}. Check the preparation of the data and the "
        "conversion of the models before trusting this pool's numbers."
    )
