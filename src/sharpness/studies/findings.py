"""Titles and figures of the studies, and their findings beside the published values.

The Snakefile imports this module, so it must not load torch, numba or numpy.
"""

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
    """One result of a study as it is printed, beside the published value.

    Attributes:
        quantity: such as "τ(½ tr, test loss)".
        setting: the models and the procedure.
        published: empty where the paper prints nothing.
        value: this project's result; "not measured" if there is none.
        spread: of the value over seeds, or an interval; says which.
        note: a deviation from the paper, or the reason why nothing was measured.
        verdict: on the published claim, from `judged`; empty where there is none to judge.
    """

    quantity: str
    setting: str
    published: str
    value: str
    spread: str = ""
    note: str = ""
    verdict: str = ""


def judged(holds: bool | None) -> str:
    """Return the verdict on a published claim; None where this run cannot test it."""
    return "not testable here" if holds is None else "confirmed" if holds else "not confirmed"


COLUMNS = tuple(field.name for field in fields(Finding))


def write_findings(path: str | Path, findings: Iterable[Finding]) -> None:
    """Write findings to a CSV file."""
    write_csv(path, map(asdict, findings), COLUMNS)


def read_findings(path: str | Path) -> list[Finding]:
    """Return the findings of a CSV file written by `write_findings`."""
    with open(path, encoding="utf-8-sig", newline="") as stream:
        return [Finding(**row) for row in csv.DictReader(stream)]


class Drawing(Closed):
    """Title and caption of a figure of a study."""

    title: str
    caption: str


class Study(Closed):
    """Section of the report on one study.

    Attributes:
        text: the question, and how this project departs from the published study.
        figures: by id, which names their files and Snakemake targets.
    """

    title: str
    text: str
    figures: dict[str, Drawing] = Field(default={})


def load_studies(path: str | Path) -> dict[str, Study]:
    """Return the studies of a YAML file by name, in its order.

    Raises:
        UserError: if the file is not a valid mapping of studies; names the study and the key.
    """
    entries = read_yaml(path)
    if not isinstance(entries, dict):
        raise UserError(f"{path}: not studies by name")
    return {str(name): checked(Study, entry, f"{path}: {name}") for name, entry in entries.items()}
