"""Write the report: one self-contained HTML page with verdicts, tables and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from sharpness.io.files import write_text
from sharpness.report import shades
from sharpness.report.figures.catalogue import Figure
from sharpness.report.page.beside import published_beside
from sharpness.report.page.cautions import cautions, few_models
from sharpness.report.page.explorer import bundle, explorer
from sharpness.report.page.figures import picture
from sharpness.report.page.findings import small_tables
from sharpness.report.page.heat_map import errors_of, explorer_link, heat_map, published_of
from sharpness.report.page.models import accuracies, compare_words, count_models, effect_of_copies
from sharpness.report.page.results import PoolResults, StudyResults
from sharpness.report.page.subgroups import tau_table
from sharpness.report.tables import agreement
from sharpness.report.tables.writers import Table, render_table
from sharpness.report.verdict import answers, judge, summarize_targets
from sharpness.statistics.headline import main_protocol


def write_report(
    out: str | Path,
    scale: str,
    pools: Mapping[str, PoolResults],
    tables: Sequence[Table],
    figures: Sequence[tuple[Figure, str | Path]],
    notes: Sequence[str] = (),
    studies: Mapping[str, StudyResults] | None = None,
    *,
    measures: str | Path | None = None,
    published_measures: pd.DataFrame | None = None,
    published: pd.DataFrame | None = None,
    departures: Sequence[Sequence[str]] = (),
    provenance: Mapping[str, str] | None = None,
) -> None:
    """Write ``report.html`` as one file without a date.

    Every heading shows the scale unless it is "paper".

    Args:
        out: the path.
        scale: its name.
        pools: the results of each pool, by name.
        tables: Tables 1 to 4, as far as there are any.
        figures: entries of the catalogue with their PNG files.
        notes: remarks at the top, such as which data are stand-ins.
        studies: the results of the simple studies.
        measures: the PNG file of the figure of all measures.
        published_measures: the contents of ``published_measures.csv``.
        published: the contents of ``paper_taus.csv``, shown at scale "paper" alone.
        departures: rows of what the paper does and what is done here, headings first.
        provenance: versions and checksums.
    """
    printed = published if scale == "paper" else None
    found = [_pool(name, results, printed) for name, results in pools.items()]
    explored = explorer(pools)
    page = (
        _environment()
        .get_template("page.html.j2")
        .render(
            scale=scale,
            suffix="" if scale == "paper" else f" ({scale})",
            notes=notes,
            pools=found,
            explorer=explored,
            bundle=bundle() if explored else "",
            script=(Path(__file__).parent / "explorer.js").read_text(encoding="utf-8"),
            shades=shades.style(),
            tables=[
                {"number": t.number, "html": render_table(t, "html"), "agreement": agreement(t)}
                for t in tables
            ],
            figures=figures,
            measures=measures,
            beside=None
            if published_measures is None
            else published_beside(published_measures, pools, studies or {}, scale),
            within={
                figure.id: tau_table(figure.id, pools) for figure, _ in figures if figure.within
            },
            studies=studies or {},
            departures=departures,
            provenance=provenance or {},
            warnings=[(pool["name"], warning) for pool in found for warning in pool["warnings"]],
        )
    )
    write_text(out, page.strip() + "\n")


def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        loader=PackageLoader("sharpness.report.page", ""),
    )
    environment.filters["picture"] = picture
    environment.filters["link"] = lambda said, pool: explorer_link(pool, said.cell, said.target)
    return environment


def _pool(name: str, found: PoolResults, published: pd.DataFrame | None) -> dict[str, Any]:
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
    printed = {} if published is None else published_of(name, published)
    return {
        "name": name,
        "title": found.title,
        "warnings": [*cautions(found.pool), *filter(None, [warning])],
        "answers": answers(found.families),
        "heat": heat_map(name, found.correlations, found.families, errors_of(found.pool), printed),
        "few": few_models(found.pool),
        "sentences": sentences + judge(found.pool, found.correlations, found.families),
        "ranks": summarize_targets(found.correlations, found.families),
        "explored": small_tables(found.explored),
        "protocol": main_protocol(found.correlations["cell"].unique()),
    }
