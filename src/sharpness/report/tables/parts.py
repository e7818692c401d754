"""The parts of a table: sections (one per pool), rows, columns and entries."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sharpness.measures.definition import Definition
from sharpness.plots.text import format_radius, format_tau

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


@dataclass(frozen=True)
class TableEntry:
    """One coefficient with its interval, or NaN with the reason why it is missing."""

    tau: float
    low: float = math.nan
    high: float = math.nan
    models: int | None = None
    reason: str = ""

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
        """The interval in brackets; empty if there is none."""
        ends = f"[{format_tau(self.low)}, {format_tau(self.high)}]"
        return "" if math.isnan(self.low) else ends


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
    """

    number: int
    errors: str
    note: str | None
    columns: tuple[Column, ...]
    sections: tuple[Section, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of all sections."""
        return tuple(row for section in self.sections for row in section.rows)

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


def in_words(items: list[str]) -> str:
    """Join items as in a sentence: "a, b and c"."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)
