"""Findings and figures of each study, made from the files that the study wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from sharpness.plots.style import save_figure, title_lines
from sharpness.studies.diagonal import figure7
from sharpness.studies.findings import Finding
from sharpness.studies.hammoud import summary as hammoud
from sharpness.studies.linear import figure1
from sharpness.studies.wen import figures as wen_figures
from sharpness.studies.wen import summary as wen

_STUDIES = {
    "linear": (figure1, figure1),
    "diagonal": (figure7, figure7),
    "small_networks": (hammoud, hammoud),
    "two_layer_relu": (wen, wen_figures),
}
"""For each study, its module with ``summarise`` and its module with ``compose``."""


def summarise_study(study: str, files: Mapping[str, Any]) -> list[Finding]:
    """Return the findings of a study from its files, beside the published values."""
    found: list[Finding] = _STUDIES[study][0].summarise(files)
    return found


def draw_study(
    study: str, figure: str, files: Mapping[str, Any], out_stem: Path, title: str, note: str
) -> None:
    """Draw a figure of a study to ``<out_stem>.pdf`` and ``<out_stem>.png``.

    ``files`` maps a kind of content to one path or a list of paths. ``note``, a caveat about the
    numbers that may be empty, is printed in brackets below the title.
    """

    def composed() -> Figure:
        canvas: Figure = _STUDIES[study][1].compose(figure, files)
        canvas.suptitle("\n".join(title_lines(title, note, canvas.get_figwidth())))
        return canvas

    save_figure(composed, out_stem, title)
