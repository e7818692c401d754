"""A figure as two files, PDF and PNG, in one style and without a date: equal data, equal bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure as Canvas

from sharpness.figures.style import STYLE
from sharpness.files import atomic


def save(compose: Callable[[], Canvas], out_stem: str | Path, title: str) -> None:
    """Compose a figure in the project's style and write ``<out_stem>.pdf`` and ``<out_stem>.png``.

    Args:
        compose: makes the figure; called once the style is set.
        out_stem: the files' path without suffix.
        title: what the PDF is called.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        canvas = compose()
        for suffix, metadata in (
            ("pdf", {"CreationDate": None, "Title": title}),
            ("png", {"Software": None}),
        ):
            with atomic(f"{out_stem}.{suffix}") as temporary:
                canvas.savefig(temporary, format=suffix, metadata=metadata)
            canvas.set_layout_engine("none")  # the layout of the first file is that of the second
