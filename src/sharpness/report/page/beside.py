"""Published coefficients of other measures beside ours: da Silva, Dangel and Oore (2025)."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from sharpness.report.page.findings import SmallTable
from sharpness.report.page.results import PoolResults, StudyResults
from sharpness.statistics.correlation import format_radius
from sharpness.statistics.headline import beside_the_headline, main_cells
from sharpness.statistics.kendall import format_interval, format_tau

NOTHING = ("not measured", "–")


def published_beside(
    facts: pd.DataFrame,
    pools: Mapping[str, PoolResults],
    studies: Mapping[str, StudyResults],
    scale: str,
) -> SmallTable | None:
    """Return the table of published coefficients beside ours; None if nothing of them is here.

    Args:
        facts: the contents of ``published_measures.csv``. Its column ``measure`` is a definition or
            another measure, of which every radius is shown; of a study, a measure of its findings.
        pools: the results by the names in column ``pool``.
        studies: the same of the studies.
        scale: other scales than "paper" are said not to be comparable.
    """
    rows = []
    for fact in facts.fillna("").to_dict("records"):
        name = fact["pool"]
        if name in pools:
            title, ours = pools[name].title, _of_pool(pools[name].correlations, fact["measure"])
        elif name in studies:
            title, ours = studies[name].study.title, _of_study(studies[name], fact["measure"])
        else:
            continue
        models = ", ".join(filter(None, [str(fact["models"]), fact["data"]]))
        rows.append((title, fact["title"], format_tau(fact["tau"]), models, *ours))
    if not rows:
        return None
    remark = "" if scale == "paper" else f" Not comparable: ours are of scale {scale}."
    return SmallTable(
        "Published beside ours",
        f"τ with the generalization gap by {facts['source'].iloc[0]}, beside ours with its "
        "interval (exploratory). No radii are published, so each of ours is shown. The published "
        "diagonal networks are drawn otherwise than ours, whose τ is that with the test loss."
        f"{remark}",
        ("Models", "Measure", "Published", "n", "Ours", "n"),
        tuple(rows),
    )


def _of_pool(correlations: pd.DataFrame, measure: str) -> tuple[str, str]:
    """Return τ with the gap at every radius, by the first protocol, and the number of models."""
    rows = correlations[(correlations["subgroup"] == "all") & (correlations["target"] == "gap")]
    words = rows["cell"].tolist()
    shown = [*main_cells(words), *beside_the_headline(words)]
    named = [word for word in shown if word.partition("@")[0] == measure]
    found = rows[rows["cell"].isin(named) & (rows["status"] == "ok")].to_dict("records")
    said = [f"{format_interval(row)} at ρ = {_radius(row['cell'])}" for row in found]
    return ("; ".join(said), str(found[0]["models"])) if found else NOTHING


def _radius(word: str) -> str:
    return format_radius(float(word.partition("@")[2].partition("+")[0]))


def _of_study(found: StudyResults, measure: str) -> tuple[str, str]:
    """Return the first finding on τ of a measure with the test loss, and its models."""
    for finding in found.findings:
        if finding.quantity == f"τ({measure}, test loss)":
            return f"{finding.value} ({finding.spread})", finding.setting
    return NOTHING
