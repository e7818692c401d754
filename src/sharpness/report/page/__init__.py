"""Write the report: one self-contained HTML page with verdicts, tables and figures."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from sharpness.io.files import write_text
from sharpness.report.figures.catalogue import Figure
from sharpness.report.pool_summary import accuracies, agreement, count_models, effect_of_copies
from sharpness.report.tables.writers import Table, render_table
from sharpness.report.verdict import judge, main_protocol, summarize_targets
from sharpness.studies.findings import Finding, Study


def embedded(png: str | Path) -> str:
    """Return the content of a PNG file in base 64."""
    return base64.b64encode(Path(png).read_bytes()).decode()


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


def study_entry(name: str, studied: StudyResults) -> dict[str, Any]:
    """Return a study's entry of the page, as the template reads it."""
    return {
        "name": name,
        "title": studied.study.title,
        "text": studied.study.text,
        "note": studied.note,
        "findings": studied.findings,
        "figures": [
            (figure, drawing, embedded(studied.drawings[figure]))
            for figure, drawing in studied.study.figures.items()
        ],
    }


@dataclass(frozen=True)
class PoolResults:
    """The results of one pool: its title and the contents of its CSV files.

    Attributes:
        published: published errors beside evaluated ones; None for a trained pool.
        taken: whether published errors replace evaluated ones.
    """

    title: str
    pool: pd.DataFrame
    correlations: pd.DataFrame
    published: pd.DataFrame | None = None
    taken: bool = False


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
    page = environment.get_template("page.html.j2").render(
        scale=scale,
        suffix="" if scale == "paper" else f" ({scale})",
        notes=notes,
        pools=[_pool(name, found) for name, found in pools.items()],
        tables=[
            {"number": t.number, "html": render_table(t, "html"), "agreement": agreement(t)}
            for t in tables
        ],
        figures=[(figure, embedded(png)) for figure, png in figures],
        studies=[study_entry(name, found) for name, found in (studies or {}).items()],
    )
    write_text(out, page.rstrip() + "\n")


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
    return {
        "name": name,
        "title": found.title,
        "warning": warning,
        "sentences": sentences + judge(found.pool, found.correlations),
        "ranks": summarize_targets(found.correlations),
        "protocol": main_protocol(found.correlations["cell"].unique()),
    }
