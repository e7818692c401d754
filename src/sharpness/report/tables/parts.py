"""What a table consists of: a section for each pool, of rows, of entries under columns."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sharpness.measures.definition import Definition
from sharpness.plots.text import format_radius, format_tau

STRONG = 0.5
"""|τ| above it is printed in bold, as in the paper."""

PUBLISHED = "published"

LEADING = ("Sharpness", "LogitNorm", "ρ", "Models")
"""Headings of the columns that stand before the coefficients."""

_PROTOCOLS = {
    "paper": "the paper's text (paper)",
    "released": "the code its authors released (released)",
}


@dataclass(frozen=True)
class Column:
    """Coefficients of a ``target`` of ``pool.csv``; ``source`` is a protocol or "published"."""

    target: str
    heading: str
    source: str


@dataclass(frozen=True)
class TableEntry:
    """One coefficient, or the reason why there is none (then ``tau`` is NaN)."""

    tau: float
    low: float = math.nan
    high: float = math.nan
    models: int | None = None
    reason: str = ""

    @property
    def missing(self) -> bool:
        """Whether there is none."""
        return math.isnan(self.tau)

    @property
    def strong(self) -> bool:
        """Whether it is set in bold."""
        return abs(self.tau) > STRONG

    @property
    def interval(self) -> str:
        """Its interval in brackets; empty where there is none."""
        ends = f"[{format_tau(self.low)}, {format_tau(self.high)}]"
        return "" if math.isnan(self.low) else ends


@dataclass(frozen=True)
class Row:
    """One definition at one radius; an entry for each column of the table."""

    definition: Definition
    radius: float
    entries: tuple[TableEntry, ...]

    @property
    def models(self) -> str:
        """How many models the computed coefficients rest on: "24", or "22–24" where they differ."""
        counts = {e.models for e in self.entries if e.models is not None and not e.missing}
        return "–".join(str(end) for end in sorted({min(counts), max(counts)})) if counts else "–"

    @property
    def leading(self) -> tuple[str, ...]:
        """What stands under `LEADING`."""
        normalized = "Yes" if self.definition.logit_norm else "No"
        return (self.definition.title, normalized, format_radius(self.radius), self.models)


@dataclass(frozen=True)
class Section:
    """The rows of one pool; without a title it stands without a heading."""

    pool: str
    title: str
    rows: tuple[Row, ...]
    note: str = ""

    @property
    def reasons(self) -> list[str]:
        """Why coefficients are missing."""
        return [entry.reason for row in self.rows for entry in row.entries if entry.missing]


@dataclass(frozen=True)
class Table:
    """A table ready to be printed.

    Attributes:
        number: the paper's.
        errors: which errors its columns show, in words.
        note: the scale, when it is not the paper's.
        columns: those of one error side by side, as many as those of another.
        sections: one for each pool.
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
        """What the table shows, in one paragraph without its number."""
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
    """Items as a sentence lists them: "a, b and c"."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)
