"""Write the report: one self-contained HTML page with verdicts, tables and figures."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from sharpness.evaluation.published import LIMIT, NOT
from sharpness.io.files import write_text
from sharpness.measures.definition import Cell
from sharpness.report.figures.catalogue import Figure
from sharpness.report.page.cautions import cautions, few_models
from sharpness.report.page.findings import small_tables
from sharpness.report.tables import agreement
from sharpness.report.tables.writers import Table, in_words, render_table
from sharpness.report.verdict import (
    answers,
    describe,
    join_names,
    judge,
    summarize_targets,
    target_title,
)
from sharpness.statistics.correlation import cell_columns
from sharpness.statistics.families import duplicate_models, main_cells, main_protocol
from sharpness.statistics.kendall import format_tau, kendall
from sharpness.studies.findings import Finding, Study


@dataclass(frozen=True)
class StudyResults:
    """The results of one simple study.

    Attributes:
        drawings: the PNG file of each figure, by id.
        note: note on the scale; empty where it is the paper's.
    """

    study: Study
    findings: Sequence[Finding]
    drawings: Mapping[str, str | Path]
    note: str


@dataclass(frozen=True)
class PoolResults:
    """The results of one pool: its title and the contents of its CSV files.

    Attributes:
        families: the headline coefficients, judged by permutations.
        published: published errors beside evaluated ones; None for a trained pool.
        taken: whether published errors replace evaluated ones.
        facts: what the paper says of the errors; None for a trained pool.
        subgroups: τ within subgroups, of the figures that show them.
        explored: the exploratory tables, as `findings.small_tables` takes them.
    """

    title: str
    pool: pd.DataFrame
    correlations: pd.DataFrame
    families: pd.DataFrame
    published: pd.DataFrame | None = None
    taken: bool = False
    facts: pd.DataFrame | None = None
    subgroups: pd.DataFrame | None = None
    explored: Mapping[str, pd.DataFrame] = field(default_factory=dict)


def write_report(
    out: str | Path,
    scale: str,
    pools: Mapping[str, PoolResults],
    tables: Sequence[Table],
    figures: Sequence[tuple[Figure, str | Path]],
    notes: Sequence[str] = (),
    studies: Mapping[str, StudyResults] | None = None,
) -> None:
    """Write ``report.html`` as one file without a date.

    Every heading shows the scale unless it is "paper". ``figures`` are entries of the catalogue
    with their PNG files; ``notes`` are remarks at the top, such as which data are stand-ins.
    """
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        loader=PackageLoader("sharpness.report.page", ""),
    )
    environment.filters["embedded"] = _embedded
    page = environment.get_template("page.html.j2").render(
        scale=scale,
        suffix="" if scale == "paper" else f" ({scale})",
        notes=notes,
        pools=[_pool(name, found) for name, found in pools.items()],
        tables=[
            {"number": t.number, "html": render_table(t, "html"), "agreement": agreement(t)}
            for t in tables
        ],
        figures=figures,
        within={figure.id: tau_table(figure.id, pools) for figure, _ in figures if figure.within},
        studies=studies or {},
    )
    write_text(out, page.rstrip() + "\n")


def _embedded(png: str | Path) -> str:
    """Return the content of a PNG file in base 64."""
    return base64.b64encode(Path(png).read_bytes()).decode()


def _pool(name: str, found: PoolResults) -> dict[str, Any]:
    sentences, warning = [("Models", count_models(found.pool))], ""
    if copies := effect_of_copies(found.pool):
        sentences.append(("The same model twice", copies))
    if found.taken:
        text = "The publishers' own, where they state any; those were not evaluated here."
        sentences.append(("Errors", text))
    if found.published is not None and len(found.published):
        agreeing, warning = accuracies(found.published)
        sentences.append(("Published accuracies", agreeing))
    if found.facts is not None and len(found.facts):
        sentences.append(("What the paper says of the errors", compare_words(found.facts)))
    return {
        "name": name,
        "title": found.title,
        "warnings": [*cautions(found.pool), *filter(None, [warning])],
        "answers": answers(found.families),
        "few": few_models(found.pool),
        "sentences": sentences + judge(found.pool, found.correlations, found.families),
        "ranks": summarize_targets(found.correlations, found.families),
        "explored": small_tables(found.explored),
        "protocol": main_protocol(found.correlations["cell"].unique()),
    }


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


def tau_table(figure: str, pools: Mapping[str, PoolResults]) -> dict[str, Any]:
    """Return the table of τ within subgroups of one figure, a row for each panel.

    The keys are ``subgroups``, the columns, and ``rows`` of pool, sharpness, target and
    coefficients, each with its number of models and p-value.
    """
    frames = {name: found.subgroups for name, found in pools.items()}
    shown = {n: f[f["figure"] == figure] for n, f in frames.items() if f is not None}
    columns = list(dict.fromkeys(s for frame in shown.values() for s in frame["subgroup"]))
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    for name, frame in shown.items():
        for row in frame.to_dict("records"):
            key = name, describe(Cell.parse(str(row["cell"]))), target_title(str(row["target"]))
            rows.setdefault(key, {})[str(row["subgroup"])] = _coefficient(row)
    cells = [[*key, *(found.get(c, "–") for c in columns)] for key, found in rows.items()]
    return {"subgroups": columns, "rows": cells}


def _coefficient(row: Mapping[Any, Any]) -> str:
    if row["status"] != "ok":
        return f"– ({row['reason']})"
    return f"{format_tau(row['tau'])} ({row['models']} models, p = {row['p']:.2g})"


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
