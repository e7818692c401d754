"""The studies as data: what each is called, where it comes from, and its figures with captions."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from sharpness.problem import Problem
from sharpness.validation import Closed, checked
from sharpness.yamlfile import read_yaml


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
        Problem: if the file is no list of studies; names the study and the key.
    """
    entries = read_yaml(path)
    if not isinstance(entries, dict):
        raise Problem(f"{path}: not studies by name")
    return {str(name): checked(Study, entry, f"{path}: {name}") for name, entry in entries.items()}
