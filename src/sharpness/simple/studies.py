"""The studies as data: what each is called, where it comes from, and its figures with captions."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from sharpness.complaints import complaint, written
from sharpness.problem import Problem
from sharpness.yamlfile import read_yaml


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Drawing(_Strict):
    """A figure of a study.

    Attributes:
        title: what stands above it: which figure of which paper, and what it shows.
        caption: how to read it.
    """

    title: str
    caption: str


class Study(_Strict):
    """A study.

    Attributes:
        title: of its section in the report.
        text: what it asks, and how ours departs from the published one.
        figures: by id, the name of their files and targets.
    """

    title: str
    text: str
    figures: dict[str, Drawing] = {}


def load_studies(path: str | Path) -> dict[str, Study]:
    """The studies of a file by name, in its order.

    Raises:
        Problem: if the file is no list of studies; names the study and the key.
    """
    entries = read_yaml(path)
    if not isinstance(entries, dict):
        raise Problem(f"{path}: not studies by name")
    studies = {}
    for name, entry in entries.items():
        try:
            studies[str(name)] = Study.model_validate(entry)
        except ValidationError as error:
            said = complaint(error, Study.model_json_schema())
            raise Problem(f"{path}: {written(name)}: {said}") from error
    return studies
