"""What a study found, one line a quantity: published and ours side by side, ready for print."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from sharpness.files import write_csv


@dataclass(frozen=True)
class Finding:
    """One quantity, in words and numbers as they are printed.

    Attributes:
        quantity: what it is, such as "τ(½ tr, test loss)".
        setting: of which models, by which procedure.
        published: what the paper prints; empty where it prints nothing.
        value: ours; "not measured" where there is none.
        spread: ours over seeds, or an interval, in words that say which.
        note: what the reader must know: a deviation, a reason why nothing was measured.
    """

    quantity: str
    setting: str
    published: str
    value: str
    spread: str = ""
    note: str = ""


COLUMNS = tuple(field.name for field in fields(Finding))


def write_findings(path: str | Path, findings: Iterable[Finding]) -> None:
    """Write findings to ``path`` as CSV."""
    write_csv(path, map(asdict, findings), COLUMNS)


def read_findings(path: str | Path) -> list[Finding]:
    """The findings of a CSV file that `write_findings` wrote."""
    with open(path, encoding="utf-8", newline="") as stream:
        return [Finding(**row) for row in csv.DictReader(stream)]
