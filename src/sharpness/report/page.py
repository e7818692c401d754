"""One self-contained page that shows what a run found: verdicts, tables and figures."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

import pandas as pd
from jinja2 import Environment, StrictUndefined

from sharpness.figures.catalogue import Figure
from sharpness.files import write_text
from sharpness.report.verdict import agreement, judge
from sharpness.tables.formats import to_html
from sharpness.tables.parts import Table


def write_report(
    out: str | Path,
    scale: str,
    pools: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]],
    tables: Sequence[Table],
    figures: Sequence[tuple[Figure, str | Path]],
    notes: Sequence[str] = (),
) -> None:
    """Write ``report.html``: no other file is needed to read it, and it bears no date.

    Args:
        out: the page.
        scale: name of the scale; whatever is not "paper" is said in every heading.
        pools: for each pool its ``pool.csv`` and its ``correlations.csv``.
        tables: as ``tables.build_table`` gives them.
        figures: entries of the catalogue and their PNG files.
        notes: what the reader must know first, such as which data stand in for others.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = files("sharpness.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    page = environment.from_string(template).render(
        scale=scale,
        suffix="" if scale == "paper" else f" ({scale})",
        notes=notes,
        pools=[{"name": name, "sentences": judge(*frames)} for name, frames in pools.items()],
        tables=[
            {"number": t.number, "html": to_html(t), "agreement": agreement(t)} for t in tables
        ],
        figures=[
            {
                "id": figure.id,
                "number": figure.number,
                "title": figure.title,
                "caption": figure.caption,
                "png": base64.b64encode(Path(png).read_bytes()).decode(),
            }
            for figure, png in figures
        ],
    )
    write_text(out, page.rstrip() + "\n")
