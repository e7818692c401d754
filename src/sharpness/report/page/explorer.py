"""The explorer: one scatter plot of any cell and target of any pool, redrawn by the reader.

The page holds each pool column by column, with every digit of ``pool.csv``, and one chart as a
template. ``explorer.js`` fills in fields, titles, scales and colours, and computes τ (Eq. 4) of the
models shown.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import vl_convert

from sharpness.measures.definition import ALL
from sharpness.plots.style import COLOURS
from sharpness.report.page.results import PoolResults
from sharpness.report.verdict import answers, definition_title, target_title
from sharpness.statistics.correlation import measured_columns, target_columns

MOST_GROUPS = 8
"""A column with at most as many values gives groups; of those with more, numbers are a colour."""

_SAID = ("model", "status", "reason")
_TITLES = {definition.id: definition_title(definition) for definition in ALL}


def explorer(pools: Mapping[str, PoolResults]) -> str:
    """Return all that the explorer needs, as JSON that may stand in a script element.

    Pools without a cell or target are left out; the result is empty if no pool has both.
    """
    known = {
        name: pool_data(found)
        for name, found in pools.items()
        if measured_columns(found.pool) and target_columns(found.pool)
    }
    data = {"pools": known, "chart": chart(), "colours": colours(), "themes": themes()}
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c") if known else ""


def pool_data(found: PoolResults) -> dict[str, Any]:
    """Return one pool: its title, cells, targets and columns, and what is shown first.

    Cells have the choices that lead to them; ``about`` are the columns that tell models apart, such
    as hyper-parameters; ``groups`` are the values of those with few, ``numbers`` other numbers.
    Missing values are null.
    """
    pool = found.pool
    cells, targets = measured_columns(pool), target_columns(pool)
    errors = [name for name in targets if name != "learning_rate"]
    about = [n for n in pool if n not in {*_SAID, *cells, *errors} and pool[n].nunique() > 1]
    groups = [name for name in about if pool[name].nunique(dropna=False) <= MOST_GROUPS]
    numeric = [name for name in about if pd.api.types.is_numeric_dtype(pool[name])]
    first = next(iter(answers(found.families)), None)
    start = {"cell": first.cell, "target": first.target} if first else {}
    shown = pool[list(dict.fromkeys(["model", *about, *targets, *cells]))]
    return {
        "title": found.title,
        "cells": {word: _choices(word) for word in cells},
        "targets": {name: target_title(name) for name in targets},
        "about": about,
        "groups": {name: _distinct(pool[name]) for name in groups},
        "numbers": [name for name in numeric if name not in groups],
        "start": start | {"colour": next(iter(groups), "")},
        "columns": {name: [_value(v) for v in shown[name].tolist()] for name in shown},
    }


def _choices(cell: str) -> dict[str, str]:
    """Return what is chosen for a cell: ``definition@radius+protocol+options``."""
    measured, *way = cell.split("+")
    definition, _, radius = measured.partition("@")
    title = _TITLES.get(definition, definition)
    return {"definition": title, "radius": radius or "–", "protocol": ", ".join(way) or "–"}


def _distinct(column: pd.Series) -> list[Any]:
    """Return the values of a column in order, None last if any is missing."""
    return sorted(column.dropna().unique().tolist()) + [None] * bool(column.isna().any())


def _value(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value


def chart() -> dict[str, Any]:
    """Return the template of the plot: a point a model, a brush, faint points left out."""
    shown = alt.when(alt.datum.shown).then(alt.value(0.9)).otherwise(alt.value(0.25))
    scale = alt.Scale(zero=False)
    plot = (
        alt.Chart(alt.NamedData("models"), width="container", height=380)
        .mark_point(filled=True, size=70)
        .encode(
            x=alt.X("x", type="quantitative", scale=scale, axis=alt.Axis(tickCount=5)),
            y=alt.Y("y", type="quantitative", scale=scale, axis=alt.Axis(tickCount=5)),
            opacity=shown,
        )
        .add_params(alt.selection_interval(name="brush"))
    )
    return dict(plot.to_dict(validate=False))


def colours() -> dict[str, Any]:
    """Return the encodings of colour: of none, of groups (with shapes), and of numbers."""
    scale = {"range": [*COLOURS[: MOST_GROUPS - 1], "#8a8a8a"]}  # black is not seen on black
    groups = {"field": "colour", "type": "nominal", "legend": None, "scale": scale}
    ramp = {"scale": {"scheme": "viridis"}, "legend": {"orient": "top"}}
    return {
        "none": {"color": {"value": "#3f87c4"}},
        "groups": {"color": groups, "shape": {"field": "colour", "legend": None, "scale": {}}},
        "numbers": {"color": {"field": "colour", "type": "quantitative", **ramp}},
    }


_INK = {"light": ("#222222", "#cccccc"), "dark": ("#e4e4e4", "#4a4d52")}
"""Colours of text and of lines by theme, those of ``style.css``."""


def themes() -> dict[str, Any]:
    """Return the configuration of the chart by the reader's preference of light or dark."""
    found: dict[str, Any] = {}
    for name, (ink, line) in _INK.items():
        text: dict[str, Any] = {"labelColor": ink, "titleColor": ink}
        axis = text | dict.fromkeys(("gridColor", "domainColor", "tickColor"), line)
        axis |= {"format": "~g", "gridOpacity": 0.5, "labelFontSize": 12, "titleFontSize": 12}
        found[name] = {"background": None, "axis": axis, "legend": text, "view": {"stroke": line}}
    return found


def bundle() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script, compressed by gzip, in base64."""
    script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return base64.b64encode(gzip.compress(script.encode(), mtime=0)).decode()
