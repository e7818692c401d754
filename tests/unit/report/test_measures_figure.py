"""The figure of all measures: every coefficient with its interval, filled where p is small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from sharpness.plots import style
from sharpness.report.figures.measures import draw_measures

INV, GAUGED = "geodesic-inv@0.1", "worst-l2-adaptive-rawlogits-gauge@0.1+paper"
ROW = {"status": "ok", "low": -0.2, "high": 0.7, "ceiling": 0.8}


def test_every_coefficient_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []
    save = style.save_figure
    monkeypatch.setattr(
        "sharpness.report.figures.measures.save_figure",
        lambda compose, *rest: save(lambda: drawn.append(compose()) or drawn[0], *rest),
    )
    rows = [
        {"cell": INV, "target": "error_test", "tau": 0.3, "p": 0.2, **ROW},
        {"cell": GAUGED, "target": "error_test", "tau": 0.6, "p": 0.01, **ROW},
        {"cell": GAUGED, "target": "gap", "tau": np.nan, "p": np.nan, **ROW, "status": "undefined"},
    ]
    pools = {"A": pd.DataFrame(rows), "B": pd.DataFrame(rows[:1])}
    draw_measures(pools, tmp_path / "measures", "Measures", "mini")
    assert {path.suffix for path in tmp_path.iterdir()} == {".pdf", ".png"}
    first, second = drawn[0].axes
    assert [text.get_text()[:8] for text in first.get_yticklabels()] == ["Adaptive", INV[:8]]
    intervals, points = first.collections[:2]
    assert sorted(points.get_offsets()[:, 0]) == [0.3, 0.6]
    assert len(intervals.get_segments()) == 2
    assert points.get_offsets()[:, 1].tolist() == pytest.approx([1 - 0.17, 0 - 0.17])
    open_one, full = points.get_facecolors()
    assert tuple(open_one) == to_rgba("white")
    assert tuple(full) != to_rgba("white")
    assert len(second.collections[1].get_offsets()) == 1
