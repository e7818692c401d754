"""How the points of a figure tell its models apart: by colour, by marker and by size."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product, zip_longest
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from sharpness.io.errors import UserError
from sharpness.plots.axes import TICKS, set_ticks
from sharpness.plots.style import COLOURS, MARKERS, RAMP
from sharpness.report.figures.catalogue import Coding, Figure, factor_of

AREAS = (0.4, 1.0, 1.9, 3.1)
"""Areas of the points of successive values, in units of an ordinary point's."""


@dataclass(frozen=True)
class PointEncoding:
    """The codings of a figure, applied to the models of its pools.

    Attributes:
        figure: whose codings.
        models: all models of its pools; what they have determines which values there are.
    """

    figure: Figure
    models: pd.DataFrame

    def __post_init__(self) -> None:
        """Refuse a column that no pool has."""
        for coding in self.codings:
            if absent := [name for name in coding.columns if name not in self.models]:
                raise UserError(
                    f"{self.figure.id}: no pool of the figure has a column {absent[0]!r}; correct "
                    "the figure's colour, marker or size, or add the column to the pool's models"
                )

    @property
    def codings(self) -> list[Coding]:
        """What tells the points apart: colour, marker and size, as far as the figure has them."""
        written = (self.figure.colour, self.figure.marker, self.figure.size)
        return [coding for coding in written if coding is not None and coding.columns]

    @property
    def listed(self) -> list[Coding]:
        """The codings by a handful of values, which a legend can list."""
        return [coding for coding in self.codings if coding.scale is None]

    @property
    def ends(self) -> tuple[float, float] | None:
        """The smallest and the largest number that colours show, if they show any."""
        if self.figure.colour.scale is None:
            return None
        values = _numbers(self.figure.colour, self.models)
        values = values[np.isfinite(values)]
        return (float(values.min()), float(values.max())) if values.size else None

    @property
    def ramp(self) -> ScalarMappable | None:
        """Colours from light to dark; None where they stand for a handful of values or none."""
        norm = LogNorm if self.figure.colour.scale == "log" else Normalize
        return ScalarMappable(norm(*self.ends), RAMP) if self.ends else None

    def levels(self, coding: Coding) -> dict[str, int]:
        """The legend's words for the values of the pools, each with its place in the order."""
        found = [_word(coding, values) for values in _combinations(coding, self.models)]
        order = dict.fromkeys([*coding.values.values(), *found])
        return {word: place for place, word in enumerate(order) if word in found}

    def unknown(self, models: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """Which models lack a value that the figure codes, (models,)."""
        none = np.zeros(len(models), dtype=bool)
        return np.logical_or.reduce(
            [none, *(models[list(c.columns)].isna().any(axis=1).to_numpy() for c in self.codings)]
        )

    def scatter(
        self, axes: Axes, models: pd.DataFrame, x: np.ndarray, y: np.ndarray, area: float
    ) -> None:
        """Draw models as points, large ones below small ones.

        Args:
            axes: where.
            models: one row a point.
            x: (models,).
            y: (models,).
            area: of an ordinary point, in square points.
        """
        ramp, unknown = self.ramp, self.unknown(models)
        whole = np.isfinite(x) & np.isfinite(y)
        colour = self._places(self.figure.colour, models)
        marker = self._places(self.figure.marker, models) if self.figure.marker else colour
        size = self._places(self.figure.size, models)
        looks = np.stack([-size, colour, marker], axis=1)
        for look in np.unique(looks[~unknown], axis=0):
            of = (looks == look).all(axis=1) & whole & ~unknown
            style: dict[str, Any] = {"c": COLOURS[look[1] % len(COLOURS)]}
            if ramp:
                values = _numbers(self.figure.colour, models[of])
                style = {"c": values, "cmap": ramp.cmap, "norm": ramp.norm}
            factor = AREAS[-look[0] % len(AREAS)] if self.figure.size else 1.0
            style |= {"s": factor * area, "marker": MARKERS[look[2] % len(MARKERS)]}
            axes.scatter(x[of], y[of], alpha=0.85, lw=0.2, edgecolors="w", **style)
        if self.figure.size or unknown.any():
            axes.margins(0.09)  # or the frame would cut the largest
        if (of := whole & unknown).any():
            axes.scatter(x[of], y[of], 3 * area, "none", marker="*", lw=0.6, edgecolors="k")

    def _places(self, coding: Coding | None, models: pd.DataFrame) -> npt.NDArray[np.intp]:
        """The place of each model's value, (models,); 0 without levels or a value."""
        if coding is None or coding.scale is not None or not coding.columns:
            return np.zeros(len(models), dtype=np.intp)
        levels = self.levels(coding)
        rows = models[list(coding.columns)].itertuples(index=False, name=None)
        return np.array([levels.get(_word(coding, row), 0) for row in rows], dtype=np.intp)


def _numbers(coding: Coding, models: pd.DataFrame) -> npt.NDArray[np.float64]:
    """What a scale shows, (models,): its one column, errors in percent."""
    return models[coding.columns[0]].to_numpy(np.float64) * factor_of(coding.label)


def _combinations(coding: Coding, models: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Every combination of the columns' values; two columns of 0 and 1 always give their four."""
    values = []
    for column in coding.columns:
        found = set(models[column].dropna().unique())
        whole = found | {0, 1} if found <= {0, 1} and len(coding.columns) > 1 else found
        values.append(sorted(whole))
    return list(product(*values))


def _word(coding: Coding, values: tuple[Any, ...]) -> str:
    """What the legend calls a combination of values."""
    texts = [value if isinstance(value, str) else f"{value:g}" for value in values]
    if coding.label:
        return ", ".join(coding.values.get(text, text) for text in texts)
    if set(values) <= {0, 1}:
        on = [name for name, value in zip(coding.columns, values, strict=True) if value]
        return " + ".join(on) or ("neither" if len(values) == 2 else "none")
    return ", ".join(f"{name} = {text}" for name, text in zip(coding.columns, texts, strict=True))


GREY = "0.35"
"""Of markers and sizes that stand for something whatever their colour."""

BAR = 1.6
"""The length of a scale of colours, in inches."""

ROOMY = 5.5
"""Width of a figure, in inches, that leaves room beside such a scale."""


class Legend:
    """What a figure says about its codings: a line for each, and a bar for a scale of colours.

    Attributes:
        rows: for each coding but the scale its label and a sample of each value.
    """

    def __init__(self, looks: PointEncoding, area: float, width: float) -> None:
        """Gather the samples.

        Args:
            looks: the codings and what they apply to.
            area: of an ordinary point, in square points.
            width: of the figure, in inches.
        """
        self._looks, self._width = looks, width
        self._bar = looks.ramp is not None
        self.rows = [(coding.label, _samples(looks, coding, area)) for coding in looks.listed]
        stars = _stars(looks)
        self._beside = stars if self._bar and width >= ROOMY else []
        if stars and not self._beside:
            self.rows.append(("", stars))

    @property
    def height(self) -> float:
        """The room it takes beyond that of a single line, in inches."""
        lines = len(self.rows) + self._bar
        return 0.16 * (lines - 1) if lines else 0.0

    def draw(self, canvas: Canvas, axes: np.ndarray) -> None:
        """Put it below the panels."""
        if self._bar:
            self._draw_bar(canvas, axes)
        if any(label for label, _ in self.rows):
            self._draw_table(canvas)
        elif self.rows:
            handles = [sample for _, samples in self.rows for sample in samples]
            columns = 2 if self._width < 4 else 4
            canvas.legend(handles=handles, loc="outside lower center", ncols=columns)

    def _draw_table(self, canvas: Canvas) -> None:
        """A line for each coding, its samples below those of the line above."""
        empty = Line2D([], [], linestyle="", label="")
        heads = [
            Line2D([], [], linestyle="", label=label and f"{label}:") for label, _ in self.rows
        ]
        lines = [[head, *samples] for head, (_, samples) in zip(heads, self.rows, strict=True)]
        columns = list(zip_longest(*lines, fillvalue=empty))
        canvas.legend(
            handles=[handle for column in columns for handle in column],
            loc="outside lower center",
            ncols=len(columns),
            handlelength=1.0,
            columnspacing=1.2,
            labelspacing=0.3,
        )

    def _draw_bar(self, canvas: Canvas, axes: np.ndarray) -> None:
        """The colours of a scale from light to dark, their name before it and the stars behind."""
        ramp, ends, coding = self._looks.ramp, self._looks.ends, self._looks.figure.colour
        assert ramp is not None
        assert ends is not None
        roomy = self._width >= ROOMY
        bar = canvas.colorbar(
            ramp,
            ax=axes,
            location="bottom",
            shrink=(BAR if roomy else 0.7 * BAR) / self._width,
            aspect=20,
            pad=0.1 / canvas.get_size_inches()[1],
        )
        bar.outline.set_linewidth(0.4)
        set_ticks(bar.ax.xaxis, *ends, coding.scale == "log", TICKS if roomy else 2)
        place = bar.ax.transAxes
        bar.ax.text(-0.03, 0.5, coding.label, ha="right", va="center", transform=place)
        if self._beside:
            bar.ax.legend(handles=self._beside, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _samples(looks: PointEncoding, coding: Coding, area: float) -> list[Line2D]:
    """A point for each value of a coding."""
    figure, samples = looks.figure, []
    for word, place in looks.levels(coding).items():
        colour, marker, size = GREY, "o", 4.0
        if coding is figure.colour:
            colour = COLOURS[place % len(COLOURS)]
        if coding is (figure.marker or figure.colour):
            marker = MARKERS[place % len(MARKERS)]
        if coding is figure.size:
            size = float(np.sqrt(area * AREAS[place % len(AREAS)]))
        samples.append(
            Line2D([], [], color=colour, marker=marker, linestyle="", markersize=size, label=word)
        )
    return samples


def _stars(looks: PointEncoding) -> list[Line2D]:
    """The models that lack a coded value, by name if they are few."""
    models = looks.models[looks.unknown(looks.models)]
    if models.empty:
        return []
    names = ", ".join(models["model"]) if len(models) < 3 else f"{len(models)} models"
    lacking = [c for c in looks.codings if models[list(c.columns)].isna().to_numpy().any()]
    what = " or ".join(_plain(coding) for coding in lacking)
    star = Line2D([], [], color="k", marker="*", markerfacecolor="none", linestyle="")
    star.set(markersize=6, markeredgewidth=0.6, label=f"{names}: no {what}")
    return [star]


def _plain(coding: Coding) -> str:
    """A coding's label in the middle of a sentence."""
    label = coding.label.removesuffix(" (%)") or " or ".join(coding.columns)
    return label[0].lower() + label[1:] if label[1:2].islower() else label
