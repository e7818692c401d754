"""Sentences on a pool's models and errors: how many, copies, and what others published of them."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from sharpness.evaluation.published import LIMIT, NOT
from sharpness.measures.definition import Cell
from sharpness.report.tables.writers import in_words
from sharpness.report.verdict import describe, join_names, target_title
from sharpness.statistics.correlation import cell_columns
from sharpness.statistics.families import duplicate_models
from sharpness.statistics.headline import main_cells
from sharpness.statistics.kendall import kendall

_STATUSES = ("skipped", "excluded", "failed", "missing")

_NAMED = ("excluded", "failed")
"""Statuses whose models are named, since losing them is unexpected; others are counted."""


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


def effect_of_copies(pool: pd.DataFrame) -> str:
    """Return a sentence on duplicate models and how τ changes without them; empty if none."""
    groups = duplicate_models(pool)
    if not groups:
        return ""
    names = "; ".join(f"{in_words(group)} are one model" for group in groups)
    text = f"By their errors and cells, {names}."
    once = pool[~pool["model"].isin([model for group in groups for model in group[1:]])]
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


def accuracies(published: pd.DataFrame) -> tuple[str, str]:
    """Compare evaluated with published accuracies (the contents of ``published.csv``).

    Returns:
        A sentence, and a warning that is empty if all agree.
    """
    reasons = published["reason"].fillna("")
    fair = published[reasons == ""]
    off = fair[fair["warn"]]
    text = (
        f"{len(fair) - len(off)} of {len(fair)} agree with the evaluated ones within {LIMIT} points"
    )
    others = [*reasons[reasons != ""].str.removeprefix(NOT)]
    if left := [f"{others.count(why)} {why}" for why in dict.fromkeys(others)]:
        text += f"; {NOT}{in_words(left)}"
    if sources := sorted(set(published["source"].dropna())):
        text += f". Source: {'; '.join(sources)}"
    return f"{text}.", _warning(off, len(fair))


def compare_words(facts: pd.DataFrame) -> str:
    """Return what the paper says of the errors beside what is found (``published_facts.csv``)."""
    parts: dict[str, str] = {}
    for row in facts.fillna({"reason": ""}).to_dict("records"):
        fact = str(row["fact"])
        parts.setdefault(fact, f"{fact}: {_amount(fact, row['published'])} ({row['source']})")
        parts[fact] += f", {_amount(fact, row['found'])} {row['errors']}"
        parts[fact] += f" ({row['reason']})" if row["reason"] else ""
        parts[fact] += ", which differs" if row["warn"] else ""
    return "; ".join(parts.values()) + "."


def _amount(fact: str, value: float) -> str:
    if np.isnan(value):
        return "unknown"
    return f"{value:g}" if fact.startswith("models") else f"{100 * value:.1f} %"


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
