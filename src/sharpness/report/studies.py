"""The simple studies on the report's page: their findings and their figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sharpness.report.images import embedded
from sharpness.simple.findings import Finding
from sharpness.simple.studies import Study


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
