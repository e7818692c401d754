"""Judge the two hypotheses of Sec. 3.1 from the correlations of a pool.

Strong hypothesis: sharpness and error rise together, so τ is high. Weak hypothesis: the flattest
models generalize well, regardless of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sharpness.measures.definition import Cell
from sharpness.report.figures.catalogue import PARTS, label_of
from sharpness.report.tables.writers import STRONG
from sharpness.statistics.correlation import cell_columns, format_radius, target_columns
from sharpness.statistics.kendall import FEWEST, format_tau

_NEAR = ("train", "test", "heldout", "v2")
"""In-distribution parts; App. F counts ImageNet-V2 among them."""


def target_title(target: str) -> str:
    """Return the title of a target of ``correlations.csv``, such as "ImageNet-R error"."""
    return label_of(target).removesuffix(" (%)")


def is_ood(target: str) -> bool:
    """Return whether a target is an error on out-of-distribution data."""
    kind, _, part = target.partition("_")
    return kind == "error" and part in PARTS and part not in _NEAR


def is_own(target: str) -> bool:
    """Return whether a target is an error on a part that only pools of the user's own have."""
    kind, _, part = target.partition("_")
    return kind == "error" and part not in PARTS


def describe(cell: Cell) -> str:
    """Describe a cell in words, without its protocol."""
    logits = "with" if cell.definition.logit_norm else "without"
    radius = format_radius(cell.radius)
    return f"{cell.definition.title} {logits} logit normalization at ρ = {radius}"


def join_names(names: list[str], most: int = 12) -> str:
    """Join up to ``most`` names with commas and count the remaining ones."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


@dataclass(frozen=True)
class TargetSummary:
    """Summary of the correlations of sharpness with one target (an error or the learning rate).

    Attributes:
        strongest: the cell of the largest |τ|, in words; or the reason why there is none.
        tau: that coefficient with its interval; empty if there is none.
        models: number of models behind that coefficient.
        cells: number of coefficients.
        positive: number of coefficients above 0.5.
        negative: number of coefficients below −0.5.
    """

    target: str
    strongest: str
    tau: str = ""
    models: int = 0
    cells: int = 0
    positive: int = 0
    negative: int = 0


def main_cells(words: Iterable[str]) -> list[str]:
    """Return the cells of the verdict: those of the first protocol, without ablations."""
    cells = {word: Cell.parse(word) for word in words}
    first = main_protocol(cells)
    return [w for w, c in cells.items() if c == Cell(c.definition, c.radius, first)]


def main_protocol(words: Iterable[str]) -> str:
    """Return the protocol of the verdict: that of the first cell, or an empty string."""
    return next((Cell.parse(word).protocol for word in words), "")


def main_coefficients(correlations: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of ``correlations.csv`` for the main cells."""
    return correlations[correlations["cell"].isin(main_cells(correlations["cell"].unique()))]


def _shown(targets: Iterable[str]) -> list[str]:
    """Return all targets but gaps, which have figures of their own."""
    return [name for name in targets if name.partition("_")[0] != "gap"]


def summarize_targets(correlations: pd.DataFrame) -> list[TargetSummary]:
    """Summarize ``correlations.csv`` for each error and the learning rate over all models."""
    overall = main_coefficients(correlations)
    overall = overall[overall["subgroup"] == "all"]
    targets = _shown(overall["target"].unique())
    return [_rank(overall[overall["target"] == target], target_title(target)) for target in targets]


def _rank(rows: pd.DataFrame, words: str) -> TargetSummary:
    defined = rows[rows["status"] == "ok"]
    if defined.empty:
        return TargetSummary(words, f"none: {rows['reason'].iloc[0]}")
    best = defined.iloc[int(defined["tau"].abs().to_numpy().argmax())]
    return TargetSummary(
        words,
        describe(Cell.parse(best["cell"])),
        f"{format_tau(best['tau'])} [{format_tau(best['low'])}, {format_tau(best['high'])}]",
        best["models"],
        len(defined),
        int((defined["tau"] > STRONG).sum()),
        int((defined["tau"] < -STRONG).sum()),
    )


FLATTEST = 0.1
"""Share of a pool that counts as its flattest models (at least one)."""

BEST = 0.25
"""The flattest models are good if their mean error is within this best share of the pool's."""

SIGNIFICANT = 0.05
"""Level of the p-values in subgroups; with few models, intervals are too narrow to use."""

_REACHABLE = 0.9
"""Ties that keep |τ| below this bound are reported."""


def judge(pool: pd.DataFrame, correlations: pd.DataFrame) -> list[tuple[str, str]]:
    """Return headings and sentences about the hypotheses for one pool."""
    found = main_coefficients(correlations)
    found = found[found["status"] == "ok"]
    overall = found[found["subgroup"] == "all"]
    kinds = {
        "test error": ["error_test"],
        "OOD error": [t for t in target_columns(pool) if is_ood(t)],
        "error on other data": [t for t in target_columns(pool) if is_own(t)],
    }
    sentences = []
    for words, targets in kinds.items():
        if targets:
            sentences.append((f"Strong hypothesis, {words}", _strong(overall, targets, words)))
            sentences.append((f"Weak hypothesis, {words}", _weak(pool, targets, words)))
    if set(correlations["subgroup"]) != {"all"}:
        for words, targets in {**kinds, "learning rate": ["learning_rate"]}.items():
            if targets and set(targets) & set(correlations["target"]):
                said = _within(found[found["target"].isin(targets)])
                sentences.append((f"Within subgroups ({words})", said))
    if tied := [*_ties(pool)]:
        sentences.append(("Ties", "; ".join(tied) + "."))
    return sentences


def _within(found: pd.DataFrame) -> str:
    """Count the signs of τ in each subgroup; ``found`` holds one kind of targets."""
    rows = found[found["subgroup"] != "all"]
    parts = [
        f"{name} ({group['models'].max()} models): τ is positive for {_count(group, 1)} "
        f"and negative for {_count(group, -1)}"
        for name, group in rows.groupby("subgroup", sort=True)
    ]
    return "; ".join(parts) + "." if parts else "No subgroup has enough models."


def _count(rows: pd.DataFrame, sign: int) -> str:
    same = rows[np.sign(rows["tau"]) == sign]
    return f"{len(same)} ({(same['p'] < SIGNIFICANT).sum()} with p < {SIGNIFICANT})"


def _strong(overall: pd.DataFrame, targets: Sequence[str], words: str) -> str:
    tau = overall.loc[overall["target"].isin(targets), "tau"]
    if tau.empty:
        return "Nothing to judge it by."
    support, against = int((tau > STRONG).sum()), int((tau < -STRONG).sum())
    return (
        f"{_word(support, len(tau))}: sharper models have clearly more {words} "
        f"(τ > {STRONG}) under {support} of {len(tau)} {_combinations(targets)}, clearly less "
        f"(τ < −{STRONG}) under {against}."
    )


def _weak(pool: pd.DataFrame, targets: Sequence[str], words: str) -> str:
    good = [is_good for target in targets for is_good in _flattest_are_good(pool, target)]
    if not good:
        return "Nothing to judge it by."
    return (
        f"{_word(sum(good), len(good))}: the mean {words} of the flattest {FLATTEST:.0%} of the "
        f"models is among the best {BEST:.0%} of the pool's under {sum(good)} of {len(good)} "
        f"{_combinations(targets)}."
    )


def _combinations(targets: Sequence[str]) -> str:
    return f"{'' if len(targets) == 1 else 'data sets, '}definitions and radii"


def _flattest_are_good(pool: pd.DataFrame, target: str) -> Iterator[bool]:
    """Yield, for each main cell, whether its flattest models have a low error."""
    for word in main_cells(cell_columns(pool)):
        known = pool[[word, target]].dropna()
        if len(known) < FEWEST or known[word].nunique() == 1:
            continue
        flattest = known.nsmallest(max(1, round(FLATTEST * len(known))), word)
        yield bool(flattest[target].mean() <= known[target].quantile(BEST))


def _ties(pool: pd.DataFrame) -> Iterator[str]:
    """Yield a remark for each target whose ties keep τ (Eq. 4) away from ±1."""
    for target in _shown(target_columns(pool)):
        values = pool.loc[pool["status"] == "ok", target].dropna()
        pairs = len(values) * (len(values) - 1) / 2
        same = values.value_counts()
        if pairs and (most := 1 - (same * (same - 1) / 2).sum() / pairs) < _REACHABLE:
            distinct = f"{len(same)} distinct values among {len(values)} models"
            yield f"{target_title(target)}: |τ| cannot exceed {most:.2f} ({distinct})"


def _word(support: int, total: int) -> str:
    if support == 0:
        return "Not supported"
    if support == total:
        return "Supported throughout"
    return "Supported by most" if 2 * support > total else "Supported by a part"
