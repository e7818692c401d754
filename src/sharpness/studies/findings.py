"""The studies: what each is called and draws, and what it found beside what was published."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from pydantic import Field

from sharpness.io.errors import UserError
from sharpness.io.files import read_yaml, write_csv
from sharpness.io.validation import Closed, checked


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


class Drawing(Closed):
    """A figure of a study.

    Attributes:
        title: what stands above it: which figure of which paper, and what it shows.
        caption: how to read it.
    """

    title: str
    caption: str


class Study(Closed):
    """A study.

    Attributes:
        title: of its section in the report.
        text: what it asks, and how ours departs from the published one.
        figures: by id, the name of their files and targets.
    """

    title: str
    text: str
    figures: dict[str, Drawing] = Field(default={})


def load_studies(path: str | Path) -> dict[str, Study]:
    """The studies of a file by name, in its order.

    Raises:
        UserError: if the file is no list of studies; names the study and the key.
    """
    entries = read_yaml(path)
    if not isinstance(entries, dict):
        raise UserError(f"{path}: not studies by name")
    return {str(name): checked(Study, entry, f"{path}: {name}") for name, entry in entries.items()}
