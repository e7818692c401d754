"""Write tables as CSV and, by templates, as Markdown, LaTeX (booktabs) and HTML."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from sharpness.io.files import write_text
from sharpness.plots.text import format_tau
from sharpness.report.tables.parts import LEADING, PUBLISHED, Table

_ESCAPES = {
    "\\": r"\textbackslash{}",
    **{character: "\\" + character for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: rf"\ensuremath{{{character}}}" for character in "<>|"},
    "τ": r"\ensuremath{\tau}",
    "ρ": r"\ensuremath{\rho}",
    "ℓ2": r"\ensuremath{\ell_2}",
    "ℓ∞": r"\ensuremath{\ell_\infty}",
    "≤": r"\ensuremath{\le}",
    "×": r"\ensuremath{\times}",
    "–": "--",
}


def latex_escape(text: str) -> str:
    """Escape LaTeX's special characters and the papers' symbols."""
    return re.sub("|".join(map(re.escape, _ESCAPES)), lambda found: _ESCAPES[found[0]], text)


_TEMPLATES = Environment(
    *("[%", "%]", "[[", "]]", "[#", "#]"),  # LaTeX is full of braces
    trim_blocks=True,
    autoescape=lambda name: name == "table.html.j2",
    undefined=StrictUndefined,
    loader=PackageLoader("sharpness.report.tables", ""),
)
_TEMPLATES.filters |= {"tex": latex_escape, "tau": format_tau}


def render_table(table: Table, notation: str) -> str:
    """Render a table as ``md``, ``tex`` (needs booktabs, graphicx and rotating) or ``html``."""
    reasons = dict.fromkeys(reason for section in table.sections for reason in section.reasons)
    headings = list(dict.fromkeys(column.heading for column in table.columns))
    text = _TEMPLATES.get_template(f"table.{notation}.j2").render(
        table=table,
        marks={reason: number for number, reason in enumerate(reasons, start=1)},
        leading=LEADING,
        headings=headings,
        span=len(table.columns) // len(headings),
        wide=len(table.columns) > 6,  # no room on a page for an interval beside each τ
    )
    return text.rstrip() + "\n"


def write_table(table: Table, out_prefix: str | Path) -> None:
    """Write ``<out_prefix>.csv``, ``.md`` and ``.tex``."""
    write_text(f"{out_prefix}.csv", _csv(table))
    for notation in ("md", "tex"):
        write_text(f"{out_prefix}.{notation}", render_table(table, notation))


def _csv(table: Table) -> str:
    """Return the table as CSV, one line per row; missing numbers are empty."""
    lines = []
    for section in table.sections:
        for row in section.rows:
            line: dict[str, object] = {"pool": section.pool, "definition": row.definition.id}
            line |= {"sharpness": row.definition.title, "logit_norm": row.leading[1].lower()}
            line |= {"rho": row.radius}
            for column, entry in zip(table.columns, row.entries, strict=True):
                found = {"tau": entry.tau} if column.source == PUBLISHED else vars(entry)
                line |= {f"{column.target}_{column.source}_{key}": found[key] for key in found}
            lines.append(line | {"scale": table.note or "paper"})
    frame = pd.DataFrame(lines)
    counts = [name for name in frame.columns if name.endswith("_models")]
    frame = frame.astype(dict.fromkeys(counts, "Int64"))
    return frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")
