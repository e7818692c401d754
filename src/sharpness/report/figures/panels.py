"""What the panels of a figure show: coordinates, Kendall's τ (Eq. 4), and the scales they share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sharpness.plots.style import Scale, common_scale
from sharpness.report.figures.catalogue import Figure
from sharpness.report.figures.layout import Defaults, Grid, PanelSpec, lay_out
from sharpness.statistics.kendall import FEWEST, Correlation, kendall

Pools = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class PanelData:
    """The points of one panel.

    Attributes:
        models: rows of the panel's pools, indexed by pool and row.
        x: horizontal coordinates, (models,); NaN where there is none.
        y: vertical coordinates, (models,).
        found: their τ.
        reason: why the panel is empty; an empty string if it is not.
    """

    spec: PanelSpec
    models: pd.DataFrame
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    found: Correlation
    reason: str

    @property
    def absent(self) -> list[str]:
        """The pools of the panel that have no point in it."""
        whole = np.isfinite(self.x) & np.isfinite(self.y)
        there = set(self.models.index.get_level_values("pool")[whole])
        return [name for name in self.spec.pools if name not in there]


def models_of(pools: Pools, names: tuple[str, ...]) -> pd.DataFrame:
    """Return the rows of several pools, indexed by pool and row; missing columns are NaN."""
    return pd.concat([pools[name] for name in names], keys=names, names=["pool", "place"])


def panel_data(spec: PanelSpec, pools: Pools) -> PanelData:
    """Return what a panel shows of its pools."""
    models = models_of(pools, spec.pools)
    empty = pd.Series(np.nan, models.index)
    x, y = (
        np.asarray(models.get(axis.column, empty), np.float64) * axis.factor
        for axis in (spec.x, spec.y)
    )
    found = kendall(x, y, resamples=0, test=False)
    reason = _absent(spec, models) or (found.reason if found.models < FEWEST else "")
    return PanelData(spec, models, x, y, found, reason)


def _absent(spec: PanelSpec, models: pd.DataFrame) -> str:
    """Return which axis has no value at all; an empty string if both have some."""
    if any("@" in axis.column and axis.column not in models for axis in (spec.x, spec.y)):
        return "the pool has no such cell"
    for axis in (spec.x, spec.y):
        if axis.column not in models or models[axis.column].isna().all():
            return f"the pool has no {axis.name}"
    return ""


def axis_scales(panels: list[PanelData]) -> dict[str, Scale]:
    """Return one scale for each axis label of a figure; gaps, whose zero matters, have no log."""
    shown: dict[str, list[npt.NDArray[np.float64]]] = {}
    for panel in panels:
        whole = np.isfinite(panel.x) & np.isfinite(panel.y)
        for axis, values in ((panel.spec.x, panel.x), (panel.spec.y, panel.y)):
            shown.setdefault(axis.label, []).append(values[whole])
    return {
        label: common_scale(values, linear="gap" in label.lower())
        for label, values in shown.items()
    }


TAU_COLUMNS = ("figure", "row", "column", "heading", "pools", "x", "y", "models", "tau", "reason")
"""Columns of the CSV file beside a figure: one row per panel, with the τ in its title."""


def tau_rows(figure: Figure, pools: Pools, defaults: Defaults) -> Iterator[dict[str, Any]]:
    """Yield a row of `TAU_COLUMNS` for each panel of a figure, from top left to bottom right."""
    grid: Grid = lay_out(figure, pools, defaults)
    for specs, row in zip(grid.specs, grid.row_labels, strict=True):
        for spec, column in zip(specs, grid.column_labels, strict=True):
            if spec is None:
                continue
            panel = panel_data(spec, pools)
            defined = not panel.reason and panel.found.status == "ok"
            yield {
                **{"figure": figure.id, "row": row, "column": column, "heading": spec.heading},
                **{"pools": " ".join(spec.pools), "x": spec.x.column, "y": spec.y.column},
                **{"models": panel.found.models, "tau": f"{panel.found.tau:.6g}" * defined},
                "reason": panel.reason or panel.found.reason,
            }
