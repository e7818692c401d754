"""What a table consists of: columns, rows, entries."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sharpness.definition import Definition

STRONG = 0.5
"""|τ| above it is printed in bold, as in the paper."""

PUBLISHED = "published"

HEADINGS = {"error_test": "Test error", "error_corrupted": "OOD error"}


@dataclass(frozen=True)
class Column:
    """One column of coefficients: which error, and a protocol's name or "published"."""

    target: str
    source: str

    @property
    def heading(self) -> str:
        """What the error is called in print."""
        return HEADINGS[self.target]


@dataclass(frozen=True)
class Entry:
    """One coefficient, or the reason why there is none (then ``tau`` is NaN)."""

    tau: float
    low: float = math.nan
    high: float = math.nan
    models: int | None = None
    reason: str = ""

    @property
    def strong(self) -> bool:
        """Whether it is set in bold."""
        return abs(self.tau) > STRONG


@dataclass(frozen=True)
class Row:
    """One definition at one radius; an entry for each column of the table."""

    definition: Definition
    radius: float
    entries: tuple[Entry, ...]

    @property
    def models(self) -> str:
        """How many models the computed coefficients rest on: "24", or "22–24" where they differ."""
        counts = {e.models for e in self.entries if e.models is not None and not math.isnan(e.tau)}
        return "–".join(str(end) for end in sorted({min(counts), max(counts)})) if counts else "–"


@dataclass(frozen=True)
class Table:
    """A table ready to be printed; ``note`` says the scale when it is not the paper's."""

    number: int
    pool: str
    note: str | None
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def caption(self) -> str:
        """What the table shows, in one paragraph without its number."""
        text = (
            f"Rank correlation between sharpness and error over the models of {self.pool}: "
            "Kendall's τ (Eq. 4) with its 95 % bootstrap interval, by the protocol of the paper's "
            "text (paper) and by that of the code its authors released (released), beside the "
            f"value printed in Andriushchenko et al. (2023). Bold: |τ| > {STRONG}."
        )
        return f"{text} Scale {self.note}." if self.note else text
