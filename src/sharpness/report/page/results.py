"""What the page shows: the contents of the files of each pool and of each simple study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from sharpness.studies.findings import Finding, Study


@dataclass(frozen=True)
class StudyResults:
    """The results of one simple study.

    Attributes:
        drawings: the PNG file of each figure, by id.
        note: note on the scale; empty where it is the paper's.
    """

    study: Study
    findings: Sequence[Finding]
    drawings: Mapping[str, str | Path]
    note: str


@dataclass(frozen=True)
class PoolResults:
    """The results of one pool: its title and the contents of its CSV files.

    Attributes:
        families: the headline coefficients, judged by permutations.
        published: published errors beside evaluated ones; None for a trained pool.
        taken: whether published errors replace evaluated ones.
        facts: what the paper says of the errors; None for a trained pool.
        subgroups: τ within subgroups, of the figures that show them.
        explored: the exploratory tables, as `findings.small_tables` takes them.
    """

    title: str
    pool: pd.DataFrame
    correlations: pd.DataFrame
    families: pd.DataFrame
    published: pd.DataFrame | None = None
    taken: bool = False
    facts: pd.DataFrame | None = None
    subgroups: pd.DataFrame | None = None
    explored: Mapping[str, pd.DataFrame] = field(default_factory=dict)
