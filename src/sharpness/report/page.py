"""One self-contained page that shows what a run found: verdicts, tables and figures."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined

from sharpness.io.files import write_text
from sharpness.report.figures.catalogue import Figure
from sharpness.report.pool_summary import accuracies, agreement, counts, effect_of_copies
from sharpness.report.tables.parts import Table
from sharpness.report.tables.writers import written
from sharpness.report.verdict import judge, main_protocol, ranks
from sharpness.studies.findings import Finding, Study


def embedded(png: str | Path) -> str:
    """A PNG file as text for the page, in base 64."""
    return base64.b64encode(Path(png).read_bytes()).decode()


@dataclass(frozen=True)
class Studied:
    """What was found in a study.

    Attributes:
        study: what it asks, and its figures.
        findings: published and ours, side by side.
        drawings: the PNG file of each figure, by id.
        note: what to say where the scale is not the paper's; empty where it is.
    """

    study: Study
    findings: Sequence[Finding]
    drawings: Mapping[str, str | Path]
    note: str


def on_the_page(name: str, studied: Studied) -> dict[str, Any]:
    """What the page says about a study."""
    return {
        "name": name,
        "title": studied.study.title,
        "text": studied.study.text,
        "note": studied.note,
        "findings": studied.findings,
        "figures": [
            {
                "id": figure,
                "title": drawing.title,
                "caption": drawing.caption,
                "png": embedded(studied.drawings[figure]),
            }
            for figure, drawing in studied.study.figures.items()
        ],
    }


@dataclass(frozen=True)
class Findings:
    """What a run found about one pool.

    Attributes:
        title: what its models are, in words.
        pool: its ``pool.csv``, one row per model.
        correlations: its ``correlations.csv``.
        published: its ``published.csv``, published errors beside evaluated ones; None where
            nothing was published.
        taken: whether errors that are published were taken instead of evaluated.
    """

    title: str
    pool: pd.DataFrame
    correlations: pd.DataFrame
    published: pd.DataFrame | None = None
    taken: bool = False


def write_report(
    out: str | Path,
    scale: str,
    pools: Mapping[str, Findings],
    tables: Sequence[Table],
    figures: Sequence[tuple[Figure, str | Path]],
    notes: Sequence[str] = (),
    studies: Mapping[str, Studied] | None = None,
) -> None:
    """Write ``report.html``: no other file is needed to read it, and it bears no date.

    Args:
        out: the page.
        scale: name of the scale; whatever is not "paper" is said in every heading.
        pools: what was found about each pool.
        tables: as ``tables.build_table`` gives them.
        figures: entries of the catalogue and their PNG files.
        notes: what the reader must know first, such as which data stand in for others.
        studies: the simple studies, by name.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = files("sharpness.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    page = environment.from_string(template).render(
        scale=scale,
        suffix="" if scale == "paper" else f" ({scale})",
        notes=notes,
        pools=[_pool(name, found) for name, found in pools.items()],
        tables=[
            {"number": t.number, "html": written(t, "html"), "agreement": agreement(t)}
            for t in tables
        ],
        figures=[
            {
                "id": figure.id,
                "number": figure.number,
                "title": figure.title,
                "caption": figure.caption,
                "png": embedded(png),
            }
            for figure, png in figures
        ],
        studies=[on_the_page(name, found) for name, found in (studies or {}).items()],
    )
    write_text(out, page.rstrip() + "\n")


def _pool(name: str, found: Findings) -> dict[str, Any]:
    """What the page says about one pool."""
    sentences, warning = [("Models", counts(found.pool))], ""
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
        "ranks": ranks(found.correlations),
        "protocol": main_protocol(found.correlations["cell"].unique()),
    }
