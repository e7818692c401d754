"""The style of all figures, written as PDF and PNG without a date: equal data give equal bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure as Canvas

from sharpness.io.files import atomic

STYLE: Any = {
    "font.family": "DejaVu Sans",  # ships with matplotlib, so it is the same on every machine
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "0.3",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.92",
    "grid.linewidth": 0.5,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handletextpad": 0.2,
    "figure.titlesize": 8,
    "mathtext.fontset": "dejavusans",
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
}

# Okabe and Ito's colours, which colour-blind readers can tell apart.
COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#F0E442",
    "#000000",
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

# From light to dark, so that it works for colour-blind readers and in grey; its lightest end is
# visible on white.
RAMP = LinearSegmentedColormap.from_list("ramp", ["#bcd98a", "#4fae8d", "#237a9b", "#1b2a5c"])


def save_figure(compose: Callable[[], Canvas], out_stem: str | Path, title: str) -> None:
    """Compose a figure in the project's style and write ``<out_stem>.pdf`` and ``<out_stem>.png``.

    ``compose`` is called after the style is set; ``title`` goes into the PDF's metadata.
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
            canvas.set_layout_engine("none")  # both files get the same layout
