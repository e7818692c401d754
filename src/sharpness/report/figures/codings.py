"""Colours, markers and sizes of a figure's points, and the legend that explains them."""

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
from sharpness.plots.style import COLOURS, MARKERS, RAMP, TICKS, Scale, common_scale, set_ticks
from sharpness.report.figures.catalogue import Coding, Figure, factor_of
from sharpness.statistics.correlation import cell_columns
from sharpness.statistics.kendall import format_tau, kendall

AREAS = (0.4, 1.0, 1.9, 3.1)
"""Areas of the points of successive values, relative to an ordinary point."""


@dataclass(frozen=True)
class PointEncoding:
    """The codings of a figure, applied to all models of its pools.

    The values in the legend are those of ``models``.
    """

    figure: Figure
    models: pd.DataFrame

    def __post_init__(self) -> None:
        """Raise UserError if no pool has a coded column."""
        for coding in self.codings:
            if absent := [name for name in coding.columns if name not in self.models]:
                raise UserError(
                    f"{self.figure.id}: no pool of the figure has a column {absent[0]!r}; correct "
                    "the figure's colour, marker or size, or add the column to the pool's models"
                )

    @property
    def codings(self) -> list[Coding]:
        """The figure's codings among colour, marker and size."""
        written = (self.figure.colour, self.figure.marker, self.figure.size)
        return [coding for coding in written if coding is not None and coding.columns]

    @property
    def listed(self) -> list[Coding]:
        """The codings with discrete values, which a legend can list."""
        return [coding for coding in self.codings if coding.scale is None]

    @property
    def ends(self) -> tuple[float, float] | None:
        """The smallest and largest number on the colour scale; None without a scale or values."""
        if self.figure.colour.scale is None:
            return None
        values = _numbers(self.figure.colour, self.models)
        values = values[np.isfinite(values)]
        return (float(values.min()), float(values.max())) if values.size else None

    @property
    def ramp(self) -> ScalarMappable | None:
        """The colour scale; None if colours show discrete values or nothing."""
        norm = LogNorm if self.figure.colour.scale == "log" else Normalize
        return ScalarMappable(norm(*self.ends), RAMP) if self.ends else None

    def levels(self, coding: Coding) -> dict[str, int]:
        """Return the legend's names of the values present, each with its place in the order."""
        found = [_word(coding, values) for values in _combinations(coding, self.models)]
        order = dict.fromkeys([*coding.values.values(), *found])
        return {word: place for place, word in enumerate(order) if word in found}

    def empty(self, coding: Coding) -> set[str]:
        """Return the legend's names of the values that no measured model has."""
        measured = self.models[self.models[cell_columns(self.models)].notna().any(axis=1)]
        rows = measured[list(coding.columns)].dropna().itertuples(index=False, name=None)
        return self.levels(coding).keys() - {_word(coding, row) for row in rows}

    def unknown(self, models: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """Return a mask (models,) of the models that lack a coded value."""
        columns = [name for coding in self.codings for name in coding.columns]
        return models[columns].isna().any(axis=1).to_numpy(bool)

    def scatter(
        self, axes: Axes, models: pd.DataFrame, x: np.ndarray, y: np.ndarray, area: float
    ) -> None:
        """Draw models at x and y, each (models,), as points, large ones below small ones.

        ``area`` is that of an ordinary point, in square points. Models that lack a coded value are
        drawn as stars.
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
            axes.margins(0.09)  # else the frame would cut large points
        if (of := whole & unknown).any():
            axes.scatter(x[of], y[of], 3 * area, "none", marker="*", lw=0.6, edgecolors="k")

    def _places(self, coding: Coding | None, models: pd.DataFrame) -> npt.NDArray[np.intp]:
        """Return the place of each model's value, (models,); 0 without levels or a value."""
        if coding is None or coding not in self.listed:
            return np.zeros(len(models), dtype=np.intp)
        levels = self.levels(coding)
        rows = models[list(coding.columns)].itertuples(index=False, name=None)
        return np.array([levels.get(_word(coding, row), 0) for row in rows], dtype=np.intp)


def _numbers(coding: Coding, models: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return the values on a colour scale, (models,), errors in percent."""
    return models[coding.columns[0]].to_numpy(np.float64) * factor_of(coding.label)


def _combinations(coding: Coding, models: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Return all combinations of values; of several columns, those of 0 and 1 count both values."""
    values = []
    for column in coding.columns:
        found = set(models[column].dropna().unique())
        whole = found | {0, 1} if found <= {0, 1} and len(coding.columns) > 1 else found
        values.append(sorted(whole))
    return list(product(*values))


def _word(coding: Coding, values: tuple[Any, ...]) -> str:
    """Return the legend's name of a combination of values."""
    texts = [value if isinstance(value, str) else f"{value:g}" for value in values]
    if coding.label:
        return ", ".join(coding.values.get(text, text) for text in texts)
    if set(values) <= {0, 1}:
        on = [name for name, value in zip(coding.columns, values, strict=True) if value]
        return " + ".join(on) or ("neither" if len(values) == 2 else "none")
    return ", ".join(f"{name} = {text}" for name, text in zip(coding.columns, texts, strict=True))


GREY = "0.35"
"""Colour of legend samples that explain only a marker or a size."""

BAR = 1.6
"""Length of a colour bar, in inches."""

ROOMY = 5.5
"""Least width of a figure, in inches, that leaves room beside a colour bar."""


class Legend:
    """The legend of a figure: one line per discrete coding, and a bar for a colour scale.

    ``rows`` holds the label and a sample of each value of each discrete coding.
    """

    def __init__(self, encoding: PointEncoding, area: float, width: float) -> None:
        """Make the samples for points of an area in square points and a width in inches."""
        self._encoding, self._width = encoding, width
        self._bar = encoding.ramp is not None
        self.rows = [(coding.label, _samples(encoding, coding, area)) for coding in encoding.listed]
        stars = _stars(encoding)
        self._beside = stars if self._bar and width >= ROOMY else []
        if stars and not self._beside:
            self.rows.append(("", stars))

    @property
    def height(self) -> float:
        """Height beyond that of a single line, in inches."""
        lines = len(self.rows) + self._bar
        return 0.16 * (lines - 1) if lines else 0.0

    def draw(self, canvas: Canvas, axes: np.ndarray) -> None:
        """Draw the legend below the panels."""
        if self._bar:
            self._draw_bar(canvas, axes)
        if any(label for label, _ in self.rows):
            self._draw_table(canvas)
        elif self.rows:
            handles = [sample for _, samples in self.rows for sample in samples]
            columns = 2 if self._width < 4 else 4
            canvas.legend(handles=handles, loc="outside lower center", ncols=columns)

    def _draw_table(self, canvas: Canvas) -> None:
        empty = Line2D([], [], linestyle="", label="")
        lines = [
            [Line2D([], [], linestyle="", label=label and f"{label}:"), *samples]
            for label, samples in self.rows
        ]
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
        ramp, ends, coding = self._encoding.ramp, self._encoding.ends, self._encoding.figure.colour
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
        scale = Scale(coding.scale == "log", common_scale([ends]).plain)
        set_ticks(bar.ax.xaxis, *ends, scale, TICKS if roomy else 2)
        place = bar.ax.transAxes
        bar.ax.text(-0.03, 0.5, coding.label, ha="right", va="center", transform=place)
        if self._beside:
            bar.ax.legend(handles=self._beside, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _samples(encoding: PointEncoding, coding: Coding, area: float) -> list[Line2D]:
    figure, samples, empty = encoding.figure, [], encoding.empty(coding)
    for word, place in encoding.levels(coding).items():
        look: dict[str, Any] = {"color": GREY, "marker": "o", "markersize": 4.0}
        if coding is figure.colour:
            look["color"] = COLOURS[place % len(COLOURS)]
        if coding is (figure.marker or figure.colour):
            look["marker"] = MARKERS[place % len(MARKERS)]
        if coding is figure.size:
            look["markersize"] = float(np.sqrt(area * AREAS[place % len(AREAS)]))
        label = f"{word} (0 models)" if word in empty else word
        samples.append(Line2D([], [], linestyle="", label=label, **look))
    return samples


def taus_within(
    encoding: PointEncoding, models: pd.DataFrame, x: np.ndarray, y: np.ndarray
) -> list[Line2D]:
    """Return a sample of each value of the colours, labelled by τ of x and y among its models."""
    coding = encoding.figure.colour
    places = encoding._places(coding, models)
    samples = _samples(encoding, coding, 1.0)
    for sample, place in zip(samples, encoding.levels(coding).values(), strict=True):
        of = (places == place) & ~encoding.unknown(models)
        found = kendall(x[of], y[of], resamples=0, test=False)
        sample.set_label(format_tau(found.tau).replace("-", "−") if found.status == "ok" else "–")
    return samples


def _stars(encoding: PointEncoding) -> list[Line2D]:
    """Return a sample for the models that lack a coded value, named if they are few."""
    models = encoding.models[encoding.unknown(encoding.models)]
    if models.empty:
        return []
    names = ", ".join(models["model"]) if len(models) < 3 else f"{len(models)} models"
    lacking = [c for c in encoding.codings if models[list(c.columns)].isna().to_numpy().any()]
    what = " or ".join(_plain(coding) for coding in lacking)
    star = Line2D([], [], color="k", marker="*", markerfacecolor="none", linestyle="")
    star.set(markersize=6, markeredgewidth=0.6, label=f"{names}: no {what}")
    return [star]


def _plain(coding: Coding) -> str:
    """Return a coding's label as it stands within a sentence."""
    label = coding.label.removesuffix(" (%)") or " or ".join(coding.columns)
    return label[0].lower() + label[1:] if label[1:2].islower() else label
