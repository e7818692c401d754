"""Judge the two hypotheses of Sec. 3.1 for a pool, beside what chance alone would give.

Strong hypothesis: sharpness and error rise together, so τ is high. Weak hypothesis: the flattest
models generalize well, regardless of the others. Both are judged by permutations (`families`); all
other coefficients are exploratory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sharpness.measures.definition import Cell, Definition
from sharpness.measures.measurement import is_cell
from sharpness.report.figures.catalogue import label_of
from sharpness.report.tables.writers import STRONG, format_ceiling
from sharpness.statistics.correlation import format_radius, target_columns
from sharpness.statistics.families import error_kinds
from sharpness.statistics.headline import main_cells
from sharpness.statistics.kendall import format_interval, format_tau
from sharpness.statistics.permutation import FLATTEST, RELEVANT, SIGNIFICANT


def target_title(target: str) -> str:
    """Return the title of a target of ``correlations.csv``, such as "ImageNet-R error"."""
    return label_of(target).removesuffix(" (%)")


def describe(cell: Cell) -> str:
    """Describe a cell in words, without its protocol."""
    logits = "with" if cell.definition.logit_norm else "without"
    radius, title = format_radius(cell.radius), cell.definition.title
    return f"{title[0].lower()}{title[1:]} {logits} logit normalization at ρ = {radius}"


def definition_title(definition: Definition) -> str:
    """Return the title of a definition with its logits, for headings of rows and selects."""
    return f"{definition.title}, {'normalized' if definition.logit_norm else 'raw'} logits"


def describe_measure(word: str) -> str:
    """Describe a cell with its number of starts; of another measure, return the id."""
    if not is_cell(word):
        return word
    cell = Cell.parse(word)
    starts = "" if cell.restarts in (None, 1) else f", best of {cell.restarts} starts"
    return f"{describe(cell)}{starts}"


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
        p: its p-value, adjusted for the whole family; or "exploratory".
        models: number of models behind that coefficient.
        cells: number of coefficients.
        positive: number of coefficients above 0.5.
        negative: number of coefficients below −0.5.
    """

    target: str
    strongest: str
    tau: str = ""
    p: str = ""
    models: int = 0
    cells: int = 0
    positive: int = 0
    negative: int = 0


def main_coefficients(correlations: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of ``correlations.csv`` for the main cells."""
    return correlations[correlations["cell"].isin(main_cells(correlations["cell"].unique()))]


def _shown(targets: Iterable[str]) -> list[str]:
    """Return all targets but gaps, which have figures of their own."""
    return [name for name in targets if name.partition("_")[0] != "gap"]


def summarize_targets(correlations: pd.DataFrame, families: pd.DataFrame) -> list[TargetSummary]:
    """Summarize ``correlations.csv`` for each error and the learning rate over all models."""
    overall = main_coefficients(correlations)
    overall = overall[overall["subgroup"] == "all"]
    targets = _shown(overall["target"].unique())
    return [_rank(overall[overall["target"] == target], target, families) for target in targets]


def _rank(rows: pd.DataFrame, target: str, families: pd.DataFrame) -> TargetSummary:
    words = target_title(target)
    defined = rows[rows["status"] == "ok"]
    if defined.empty:
        return TargetSummary(words, f"none: {rows['reason'].iloc[0]}")
    best = defined.iloc[int(defined["tau"].abs().to_numpy().argmax())]
    return TargetSummary(
        words,
        describe(Cell.parse(best["cell"])),
        format_interval(best.to_dict()),
        _adjusted(families, target, best["cell"]),
        best["models"],
        len(defined),
        int((defined["tau"] > STRONG).sum()),
        int((defined["tau"] < -STRONG).sum()),
    )


_REACHABLE = 0.9
"""Ties that keep |τ| below this bound are reported."""


def judge(
    pool: pd.DataFrame, correlations: pd.DataFrame, families: pd.DataFrame
) -> list[tuple[str, str]]:
    """Return headings and sentences about the hypotheses for one pool.

    ``families`` has the contents of ``families.csv`` for the kinds of `error_kinds`.
    """
    found = main_coefficients(correlations)
    found = found[found["status"] == "ok"]
    kinds, sentences = error_kinds(pool), []
    for words, rows in families.groupby("family", sort=False):
        sentences.append((f"Strong hypothesis, {words}", _strong(rows, str(words))))
        sentences.append((f"Weak hypothesis, {words}", _weak(rows, str(words))))
    if set(correlations["subgroup"]) != {"all"}:
        for words, targets in {**kinds, "learning rate": ["learning_rate"]}.items():
            if targets and set(targets) & set(correlations["target"]):
                said = _within(found[found["target"].isin(targets)])
                judged, remark = _given_subgroups(families[families["family"] == words])
                sentences.append((f"Within subgroups ({words}{remark})", f"{said}{judged}"))
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


def _count(rows: pd.DataFrame, sign: int) -> int:
    return int((np.sign(rows["tau"]) == sign).sum())


def _given_subgroups(rows: pd.DataFrame) -> tuple[str, str]:
    """Return a sentence on τ within subgroups of one family, judged by permutations within them.

    Without such a family there is none, and the remark says that the counts are exploratory.
    """
    defined = rows[rows["within_tau"].notna()]
    if defined.empty:
        return "", "; exploratory"
    best = defined.iloc[int(defined["within_tau"].abs().to_numpy().argmax())]
    sure = defined[defined["within_p"] < SIGNIFICANT]
    more, less = int((sure["within_tau"] > 0).sum()), int((sure["within_tau"] < 0).sum())
    return (
        f" Between models of one subgroup the largest τ is {format_tau(best['within_tau'])}, for "
        f"{describe(Cell.parse(best['cell']))} (adjusted p = {best['within_p']:.2g}); of "
        f"{len(defined)}, {more} positive and {less} negative ones have an adjusted p below "
        f"{SIGNIFICANT}.",
        "",
    )


_CLAIMS = {
    "yes": "Yes: sharper models have more {}",
    "reverse": "Reverse: sharper models have less {}",
    "mixed": "Mixed: sharper models have more {} by some measures and less by others",
    "no": f"No: there is no room for a |τ| of {RELEVANT}",
    "cannot tell": "Cannot tell: this pool could hide a relation of use",
}


@dataclass(frozen=True)
class Answer:
    """The verdict on one family of a pool, with the numbers that say so.

    Attributes:
        family: such as "test error".
        verdict: in capitals, such as "Cannot tell".
        meaning: what the verdict says of the pool.
        numbers: the largest |τ|, its adjusted p and ceiling, and n.
        place: the measure and error of that coefficient, in words.
        cell: the cell of that coefficient.
        target: the target of that coefficient.
    """

    family: str
    verdict: str
    meaning: str
    numbers: str
    place: str
    cell: str
    target: str


def answers(families: pd.DataFrame) -> list[Answer]:
    """Return the answer of each family that has a coefficient.

    The ceiling, the largest |τ| that the noise of the measure allows, is told where it is known.
    """
    found = []
    for name, rows in families.groupby("family", sort=False):
        defined = rows[rows["tau"].notna()]
        if defined.empty:
            continue
        best = defined.iloc[int(defined["tau"].abs().to_numpy().argmax())]
        verdict, _, meaning = _CLAIMS[best["verdict"]].format(name).partition(": ")
        ceiling = best.get("ceiling", np.nan)
        numbers = [
            f"τ = {format_tau(best['tau'])}",
            f"adjusted p = {best['p']:.2g}",
            *([f"ceiling {format_ceiling(ceiling, best['tau'])}"] if np.isfinite(ceiling) else []),
            f"n = {best['models']}",
        ]
        target = f", {target_title(best['target'])}" if rows["target"].nunique() > 1 else ""
        place = describe(Cell.parse(best["cell"])) + target
        text = f"largest |τ| of {len(defined)}: {', '.join(numbers)}"
        found.append(Answer(str(name), verdict, meaning, text, place, best["cell"], best["target"]))
    return found


def _strong(rows: pd.DataFrame, words: str) -> str:
    """Return the verdict on a family with the numbers behind it."""
    defined = rows[rows["tau"].notna()]
    first = rows.iloc[0]
    claim = _CLAIMS[first["verdict"]].format(words)
    if defined.empty:
        return f"{claim}. No coefficient is defined."
    best = defined.iloc[int(defined["tau"].abs().to_numpy().argmax())]
    target = f", {target_title(best['target'])}" if rows["target"].nunique() > 1 else ""
    sure = int((defined["p"] < SIGNIFICANT).sum())
    return (
        f"{claim}. Of {len(defined)} coefficients the largest is {format_tau(best['tau'])}, for "
        f"{describe(Cell.parse(best['cell']))}{target} ({first['models']} models, adjusted "
        f"p = {best['p']:.2g}); an adjusted p is below {SIGNIFICANT} for {sure}. Chance alone "
        f"gives a |τ| of up to {first['bound']:.2f} in 95 % of {first['draws']:,} permutations."
    )


def _weak(rows: pd.DataFrame, words: str) -> str:
    """Return whether some cell's flattest models are better than chance makes them."""
    p = rows["weak_p"].iloc[0]
    if not np.isfinite(p):
        return "Nothing to judge it by."
    low = "" if p < SIGNIFICANT else "no "
    return (
        f"{'Supported' if low == '' else 'Not supported'}: the mean {words} of the flattest "
        f"{FLATTEST:.0%} of the models, by the best of all measures, is {low}lower than chance "
        f"alone makes it (p = {p:.2g})."
    )


def _adjusted(families: pd.DataFrame, target: str, cell: str) -> str:
    """Return the adjusted p-value of a coefficient; "exploratory" if it is in no family."""
    rows = families[(families["target"] == target) & (families["cell"] == cell)]
    return "exploratory" if rows.empty else f"{rows['p'].iloc[0]:.2g}"


def _ties(pool: pd.DataFrame) -> Iterator[str]:
    """Yield a remark for each target whose ties keep τ (Eq. 4) away from ±1."""
    for target in _shown(target_columns(pool)):
        values = pool.loc[pool["status"] == "ok", target].dropna()
        pairs = len(values) * (len(values) - 1) / 2
        same = values.value_counts()
        if pairs and (most := 1 - (same * (same - 1) / 2).sum() / pairs) < _REACHABLE:
            distinct = f"{len(same)} distinct values among {len(values)} models"
            yield f"{target_title(target)}: |τ| cannot exceed {most:.2f} ({distinct})"
