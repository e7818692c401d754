"""From the files that a study made to its findings and its figures."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from sharpness.figures.saving import save
from sharpness.figures.title import title_lines
from sharpness.simple.findings import Finding


def summarise(study: str, files: Mapping[str, Any]) -> list[Finding]:
    """What a study found, beside what was published, from the files that it made."""
    return import_module(f"sharpness.simple.{study}.summary").summarise(files)


def draw(
    study: str, figure: str, files: Mapping[str, Any], out_stem: Path, title: str, note: str
) -> None:
    """Draw a figure of a study to ``<out_stem>.pdf`` and ``<out_stem>.png``.

    Args:
        study: name of its package.
        figure: id of the figure.
        files: what the study made, a path or a list of paths by what they hold.
        out_stem: the files' path without suffix.
        title: what stands above it.
        note: what its numbers are not, in brackets below the title; may be empty.
    """
    compose = import_module(f"sharpness.simple.{study}.figures").compose

    def composed() -> Figure:
        canvas = compose(figure, files)
        canvas.suptitle("\n".join(title_lines(title, note, canvas.get_figwidth())))
        return canvas

    save(composed, out_stem, title)
