"""Tables as sections (one per pool) of rows; written as CSV, Markdown, LaTeX and HTML."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from sharpness.io.files import write_text
from sharpness.measures.definition import Definition
from sharpness.report.shades import shade
from sharpness.statistics.correlation import format_radius
from sharpness.statistics.kendall import FEW, format_tau
from sharpness.statistics.limits import FEW_MODELS, FULL

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
    "†": r"\ensuremath{\dagger}",
    "‡": r"\ensuremath{\ddagger}",
    "×": r"\ensuremath{\times}",
    "–": "--",
    "“": "``",
    "”": "''",
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
_TEMPLATES.filters |= {"tex": latex_escape, "tau": format_tau, "shade": shade}


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


STRONG = 0.5
"""Larger |τ| are printed in bold, as in the paper."""

PUBLISHED = "published"

LEADING = ("Sharpness", "LogitNorm", "ρ", "Models")
"""Headings of the columns before the coefficients."""

_PROTOCOLS = {
    "paper": "the paper's text (paper)",
    "released": "the code its authors released (released)",
}


@dataclass(frozen=True)
class Column:
    """Coefficients for a ``target`` of ``pool.csv``; ``source`` is a protocol or "published"."""

    target: str
    heading: str
    source: str


MARKS = {
    FEW_MODELS: ("†", f"fewer than {FEW} models, so the interval is too narrow"),
    FULL: ("‡", "all pairs of models agree, so the interval has no width"),
}
"""For each flag of a coefficient, the mark of its interval and what it means."""


def format_ceiling(ceiling: float, tau: float) -> str:
    """Return the ceiling of a coefficient; "?" if it is below |τ|, so that it cannot be right."""
    return "?" if ceiling < abs(tau) else format_tau(ceiling)


@dataclass(frozen=True)
class TableEntry:
    """One coefficient with its interval, or NaN with the reason why it is missing.

    Attributes:
        ceiling: the largest τ that the noise between batches allows; NaN if unknown.
        flag: what is wrong with the interval, as in ``correlations.csv``.
    """

    tau: float
    low: float = math.nan
    high: float = math.nan
    models: int | None = None
    reason: str = ""
    ceiling: float = math.nan
    flag: str = ""

    @property
    def missing(self) -> bool:
        """Whether the coefficient is missing."""
        return math.isnan(self.tau)

    @property
    def strong(self) -> bool:
        """Whether the coefficient is printed in bold."""
        return abs(self.tau) > STRONG

    @property
    def interval(self) -> str:
        """The interval in brackets, its marks, and the ceiling; empty if there is none."""
        if math.isnan(self.low):
            return ""
        marks = "".join(mark for flag, (mark, _) in MARKS.items() if flag in self.flag)
        ceiling = "" if math.isnan(self.ceiling) else f" ≤ {format_ceiling(self.ceiling, self.tau)}"
        return f"[{format_tau(self.low)}, {format_tau(self.high)}]{marks}{ceiling}"


@dataclass(frozen=True)
class Row:
    """One definition at one radius, with one entry per column of the table."""

    definition: Definition
    radius: float
    entries: tuple[TableEntry, ...]

    @property
    def models(self) -> str:
        """Number of models behind the computed coefficients: "24", or a range such as "22–24"."""
        counts = {e.models for e in self.entries if e.models is not None and not e.missing}
        return "–".join(str(end) for end in sorted({min(counts), max(counts)})) if counts else "–"

    @property
    def leading(self) -> tuple[str, ...]:
        """The texts of the `LEADING` columns."""
        normalized = "Yes" if self.definition.logit_norm else "No"
        return (self.definition.title, normalized, format_radius(self.radius), self.models)


@dataclass(frozen=True)
class Section:
    """The rows of one pool; an empty title means no heading."""

    pool: str
    title: str
    rows: tuple[Row, ...]
    note: str = ""

    @property
    def reasons(self) -> list[str]:
        """The reasons why coefficients are missing, one per missing entry."""
        return [entry.reason for row in self.rows for entry in row.entries if entry.missing]


@dataclass(frozen=True)
class Table:
    """A table ready to be printed.

    Attributes:
        errors: the errors of the columns, in words.
        note: the scale, when it is not the paper's.
        columns: grouped by error, equally many per error.
        remark: a sentence below the table; may be empty.
    """

    number: int
    errors: str
    note: str | None
    columns: tuple[Column, ...]
    sections: tuple[Section, ...]
    remark: str = ""

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of all sections."""
        return tuple(row for section in self.sections for row in section.rows)

    @property
    def remarks(self) -> list[str]:
        """The sentences below the table: on its columns, and on the marks and signs in it."""
        entries = [entry for row in self.rows for entry in row.entries if entry.interval]
        found = [f"{mark} {why}." for mark, why in MARKS.values() if _has(entries, mark)]
        if _has(entries, "≤"):
            found.append(
                "≤ the ceiling of τ by the noise between batches; "
                "“?” where it is below |τ| itself, since it is rough with few batches."
            )
        return [*filter(None, [self.remark]), *found]

    @property
    def caption(self) -> str:
        """The caption in one paragraph, without the table's number."""
        sources = dict.fromkeys(c.source for c in self.columns if c.source != PUBLISHED)
        protocols = " and by that of ".join(_PROTOCOLS[name] for name in sources)
        text = (
            f"Rank correlation between sharpness and {self.errors} over the models of "
            f"{in_words([section.pool for section in self.sections])}: Kendall's τ (Eq. 4) with "
            f"its 95 % bootstrap interval, by the protocol of {protocols}, beside the value "
            f"printed in Andriushchenko et al. (2023). Bold: |τ| > {STRONG}."
        )
        return f"{text} Scale {self.note}." if self.note else text


def _has(entries: Iterable[TableEntry], mark: str) -> bool:
    return any(mark in entry.interval for entry in entries)


def in_words(items: list[str]) -> str:
    """Join items as in a sentence: "a, b and c"."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)
