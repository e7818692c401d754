"""The standard sheet of a pool of one's own, and what the report warns of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import synthetic

from sharpness.measures.definition import PAPER
from sharpness.report.figures.catalogue import Figure, as_standin
from sharpness.report.figures.drawing import draw_figure
from sharpness.report.figures.layout import lay_out
from sharpness.report.figures.panels import tau_rows
from sharpness.report.figures.sheet import MANY, MOST, colour_of, standard_sheet
from sharpness.report.page.cautions import cautions, few_models
from sharpness.report.verdict import judge, target_title
from sharpness.statistics.correlation import correlations
from sharpness.statistics.families import error_kinds, families

NORMALIZED = "worst-linf-adaptive-normlogits"


@pytest.fixture(scope="module")
def pool() -> pd.DataFrame:
    found = synthetic.pool()
    return found.assign(error_far_away=2 * found["error_test"], gap_far_away=found["gap"])


@pytest.fixture(scope="module")
def figure() -> Figure:
    sheet = standard_sheet(
        "mine",
        "Mine",
        [definition.id for definition in PAPER],
        ["train", "far_away", "test"],
        protocol="paper",
        colour=colour_of({"mixup": [0, 1]}),
        note="Three models only.",
    )
    assert list(sheet) == [f"mine-{definition.id}" for definition in PAPER]
    return sheet[f"mine-{NORMALIZED}"]


def test_rows_are_radii_and_columns_errors(figure: Figure, pool: pd.DataFrame) -> None:
    grid = lay_out(figure, {"mine": pool}, {})
    assert [row[0].heading for row in grid.specs if row[0]] == [
        f"ρ = {radius}" for radius in (0.0005, 0.001, 0.002, 0.004)
    ]
    assert [spec.y.column for spec in grid.specs[0] if spec] == ["error_test", "error_far_away"]
    assert grid.column_labels == ("Test error", "far_away error")
    assert figure.pools == ("mine",)
    assert figure.caption.endswith("Three models only.")


def test_a_sheet_is_drawn_with_its_tau(figure: Figure, pool: pd.DataFrame, tmp_path: Path) -> None:
    draw_figure(figure, {"mine": pool}, tmp_path / "x")
    assert (tmp_path / "x.pdf").stat().st_size > 1000
    rows = [*tau_rows(figure, {"mine": pool}, {})]
    assert len(rows) == 8
    assert all(row["tau"] for row in rows)
    bare = Figure(**as_standin(figure).model_dump())
    assert bare.parts == figure.parts == ("far_away",)


@pytest.mark.parametrize(
    ("parameters", "columns", "scale"),
    [
        ({}, (), None),
        ({"one": [1, 1, 1], "two": ["a", "b", "a"]}, ("two",), None),
        ({"width": [*range(MANY)]}, ("width",), None),
        ({"width": [*range(MANY + 1)]}, ("width",), "linear"),
        ({"width": [*range(MANY + 1), ""]}, ("width",), "linear"),
        ({"name": [*map(str, range(MOST + 1))], "k": [1, 2]}, ("k",), None),
    ],
)
def test_colours_show_the_first_parameter_that_differs(
    parameters: dict[str, list[Any]], columns: tuple[str, ...], scale: str | None
) -> None:
    coding = colour_of(parameters)
    assert (coding.columns, coding.scale) == (columns, scale)


def test_own_parts_are_called_by_their_names(pool: pd.DataFrame) -> None:
    assert target_title("error_far_away") == "far_away error"
    assert target_title("gap_far_away") == "far_away gap"
    assert target_title("error_r") == "ImageNet-R error"
    judged = families(pool, error_kinds(pool), draws=50)
    said = dict(judge(pool, correlations(pool, resamples=0), judged))
    assert "Strong hypothesis, error on other data" in said
    assert "error_far_away" not in " ".join(said.values())


def test_what_a_reader_must_know() -> None:
    pool = pd.DataFrame(
        {
            "model": ["a", "b", "c"],
            "status": ["ok", "ok", "failed"],
            "error_train": [0.1, 0.5, 0.7],
            "error_test": [0.2, 0.4, 0.5],
            "weights_from": ["checkpoint a.safetensors", "random weights (seed 0)", "pretrained"],
            "data_classes": 3,
        }
    )
    random, chance = cautions(pool)
    assert random.startswith("1 of 3 models has random weights (b)")
    assert chance.startswith("Training error is no better than chance (66.7 %) for c")
    assert few_models(pool) == "2 models only: the interval of τ is wide"
    assert cautions(pool[["model", "status", "error_test"]]) == []
    assert few_models(synthetic.pool()) == ""
