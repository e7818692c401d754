"""Titles and figures of the studies, and their findings beside the published values.

The Snakefile imports this module, so it must not load torch, numba or numpy.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

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
    """

    quantity: str
    setting: str
    published: str
    value: str
    spread: str = ""
    note: str = ""


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


def _modules(study: str) -> tuple[Any, Any]:
    """Return a study's module with ``summarise`` and its module with ``compose``."""
    from sharpness.studies.diagonal import figure7
    from sharpness.studies.hammoud import summary as hammoud
    from sharpness.studies.linear import figure1
    from sharpness.studies.wen import figures as wen_figures
    from sharpness.studies.wen import summary as wen

    return {
        "linear": (figure1, figure1),
        "diagonal": (figure7, figure7),
        "small_networks": (hammoud, hammoud),
        "two_layer_relu": (wen, wen_figures),
    }[study]


def summarise_study(study: str, files: Mapping[str, Any]) -> list[Finding]:
    """Return the findings of a study from its files, beside the published values."""
    found: list[Finding] = _modules(study)[0].summarise(files)
    return found


def draw_study(
    study: str, figure: str, files: Mapping[str, Any], out_stem: Path, title: str, note: str
) -> None:
    """Draw a figure of a study to ``<out_stem>.pdf`` and ``<out_stem>.png``.

    ``files`` maps a kind of content to one path or a list of paths. ``note``, a caveat about the
    numbers that may be empty, is printed in brackets below the title.
    """
    from sharpness.plots.style import save_figure, title_lines

    def composed() -> Any:
        canvas = _modules(study)[1].compose(figure, files)
        canvas.suptitle("\n".join(title_lines(title, note, canvas.get_figwidth())))
        return canvas

    save_figure(composed, out_stem, title)
