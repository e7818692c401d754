"""The catalogue of figures, the layout of their panels and the files they become."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic
import yaml
from matplotlib.figure import Figure as Canvas

from sharpness.definition import PAPER, Cell, Definition
from sharpness.figures.axes import _decades, _power
from sharpness.figures.catalogue import Figure, load_catalogue
from sharpness.figures.drawing import compose, draw
from sharpness.figures.layout import lay_out
from sharpness.kendall import kendall
from sharpness.problem import Problem
from sharpness.tables.formats import format_tau

ROOT = Path(__file__).parents[1]
CATALOGUE = ROOT / "resources" / "figures.yaml"
RESNET, VIT = "cifar10-resnet18", "cifar10-vit"
DEFAULTS = {name: {"m": 128, "steps": 20} for name in (RESNET, VIT)}
NORMALIZED = "worst-linf-adaptive-normlogits"


@pytest.fixture(scope="module")
def catalogue() -> dict[str, Figure]:
    return load_catalogue(CATALOGUE)


@pytest.fixture(scope="module")
def pools() -> dict[str, pd.DataFrame]:
    return {RESNET: synthetic.pool(24, 0), VIT: synthetic.pool(24, 1)}


def texts(canvas: Canvas) -> str:
    """All that a figure says."""
    found = [text.get_text() for text in canvas.findobj(lambda artist: hasattr(artist, "get_text"))]
    return "\n".join(found)


def test_the_catalogue_holds_every_figure_of_the_issue(catalogue: dict[str, Figure]) -> None:
    assert list(catalogue) == ["fig5", "fig6", *(f"fig{number}" for number in range(29, 45))]
    assert {figure.protocol for figure in catalogue.values()} == {"paper"}
    assert all(figure.caption and figure.title for figure in catalogue.values())
    assert catalogue["fig5"].pools == (RESNET, VIT)
    assert catalogue["fig38"].pools == (RESNET,)


def test_figures_33_to_44_show_the_12_definitions(catalogue: dict[str, Figure]) -> None:
    numbers = {RESNET: range(33, 39), VIT: range(39, 45)}
    for pool, range_ in numbers.items():
        shown = []
        for number in range_:
            figure = catalogue[f"fig{number}"]
            assert figure.pools == (pool,)
            rows = [(row.definition, row.y) for row in figure.rows]
            shown += [definition for definition, y in rows if y == "error_test"]
            assert [y for _, y in rows] == ["error_test", "error_corrupted"] * 2
            assert [d for d, _ in rows] == [shown[-2], shown[-2], shown[-1], shown[-1]]
        assert shown == [definition.id for definition in PAPER]


def test_every_entry_has_a_panel_for_everything(
    catalogue: dict[str, Figure], pools: dict[str, pd.DataFrame]
) -> None:
    shapes = {"fig5": (2, 4), "fig6": (2, 2), "fig29": (3, 4)}
    for name, figure in catalogue.items():
        grid = lay_out(figure, pools, DEFAULTS)
        assert (len(grid.spots), len(grid.spots[0])) == shapes.get(name, (4, 4))
        for spot in (spot for row in grid.spots for spot in row):
            assert spot.x.column in pools[spot.pool]
            assert spot.y.column in pools[spot.pool]


def test_figure_5_is_at_the_radii_of_the_printed_coefficients(
    catalogue: dict[str, Figure], pools: dict[str, pd.DataFrame]
) -> None:
    grid = lay_out(catalogue["fig5"], pools, DEFAULTS)
    first, second = grid.spots
    assert [(s.pool, s.x.column, s.y.column) for s in first] == [
        (RESNET, f"{NORMALIZED}@0.001+paper", "error_test"),
        (RESNET, f"{NORMALIZED}@0.001+paper", "error_corrupted"),
        (VIT, f"{NORMALIZED}@0.0005+paper", "error_test"),
        (VIT, f"{NORMALIZED}@0.0005+paper", "error_corrupted"),
    ]
    assert [s.x.column.split("@")[0] for s in second] == ["worst-linf-adaptive-rawlogits"] * 4


def test_the_ablations_include_the_pools_own_setting(
    catalogue: dict[str, Figure], pools: dict[str, pd.DataFrame]
) -> None:
    grid = lay_out(catalogue["fig31"], pools, DEFAULTS)
    assert grid.row_labels == ("m = 16", "m = 32", "m = 64", "m = 128")
    columns = [row[0].x.column.removeprefix(f"{NORMALIZED}@0.0005+paper") for row in grid.spots]
    assert columns == ["+m16", "+m32", "+m64", ""]
    grid = lay_out(catalogue["fig30"], pools, {RESNET: {"m": 64, "steps": 10}})
    assert grid.row_labels == tuple(f"{n} iterations" for n in (10, 50, 100, 200))
    grid = lay_out(catalogue["fig29"], pools, DEFAULTS)
    base = "average-linf-adaptive-normlogits@0.1+paper"
    assert [(row[0].x.column, row[0].y.column) for row in grid.spots] == [
        (base, "error_test"),
        (f"{base}+augmented", "error_test"),
        (base, f"{base}+augmented"),
    ]


def test_an_ablation_at_one_radius_is_one_row(
    catalogue: dict[str, Figure], pools: dict[str, pd.DataFrame]
) -> None:
    pool = pools[RESNET]
    drop = [c for c in pool if "+m" in c and "@0.001+" not in c]
    grid = lay_out(catalogue["fig31"], {RESNET: pool.drop(columns=drop)}, DEFAULTS)
    assert grid.column_labels == ("m = 16", "m = 32", "m = 64", "m = 128")
    assert [spot.heading for spot in grid.spots[0]] == ["ρ = 0.001"] * 4
    assert len(grid.spots) == 1


def test_a_new_radius_is_a_new_panel(
    catalogue: dict[str, Figure], pools: dict[str, pd.DataFrame]
) -> None:
    cell = Cell(Definition.parse("worst-linf-adaptive-normlogits"), 0.01)
    pool = pd.concat([pools[RESNET], pd.Series(1.0, pools[RESNET].index, name=cell.id)], axis=1)
    grid = lay_out(catalogue["fig38"], {RESNET: pool}, DEFAULTS)
    assert [len([s for s in row if s]) for row in grid.spots] == [4, 4, 5, 5]
    assert grid.spots[2][4].heading == "ρ = 0.01"


def test_titles_hold_tau_and_the_note_is_there(
    catalogue: dict[str, Figure], pools: dict[str, pd.DataFrame]
) -> None:
    canvas = compose(catalogue["fig5"], pools, "mini: digits", DEFAULTS)
    said = texts(canvas)
    assert "[mini: digits]" in said
    pool = pools[VIT]
    tau = kendall(pool[f"{NORMALIZED}@0.0005+paper"], pool["error_test"], resamples=0).tau
    assert f"ρ = 0.0005    τ = {format_tau(tau).replace('-', '−')}" in said
    for words in ("ResNet-18", "ViT", "Normalized", "Test error (%)", "OOD error (%)"):
        assert words in said
    (legend,) = canvas.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["neither", "mixup", "augment", "augment + mixup"]
    points = sum(len(c.get_offsets()) for axes in canvas.axes[:1] for c in axes.collections)
    assert points == 22  # of 24 models, two of them skipped
    assert "[" not in texts(compose(catalogue["fig5"], pools, None, DEFAULTS))


def test_errors_are_in_percent_and_wide_ranges_logarithmic(
    catalogue: dict[str, Figure], pools: dict[str, pd.DataFrame]
) -> None:
    canvas = compose(catalogue["fig6"], pools, None, DEFAULTS)
    assert {(a.get_xscale(), a.get_yscale()) for a in canvas.axes} == {("log", "log")}
    axes = compose(catalogue["fig38"], pools, None, DEFAULTS).axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")
    low, high = 100 * pools[RESNET]["error_test"].min(), 100 * pools[RESNET]["error_test"].max()
    assert low - 2 < axes.get_ylim()[0] < axes.get_ylim()[1] < high + 2


def test_negative_or_narrow_sharpness_gets_a_linear_axis(catalogue: dict[str, Figure]) -> None:
    pool = synthetic.pool(12)
    column = "average-l2-standard-rawlogits@0.05+paper"
    pool[column] = np.linspace(-1.0, 50.0, 12)
    canvas = compose(catalogue["fig33"], {RESNET: pool}, None, DEFAULTS)
    assert canvas.axes[0].get_xscale() == "linear"


def test_empty_panels_say_why(catalogue: dict[str, Figure], pools: dict[str, pd.DataFrame]) -> None:
    few = pools[RESNET].copy()
    few.loc[2:, f"{NORMALIZED}@0.001+paper"] = np.nan
    bare = pools[VIT].assign(error_corrupted=np.nan)
    bare = bare.drop(columns="worst-linf-adaptive-rawlogits@0.0005+paper")
    said = texts(compose(catalogue["fig5"], {RESNET: few, VIT: bare}, None, DEFAULTS))
    assert said.count("not measured:\n2 of 24 models with both\nvalues, 3 needed") == 2
    assert said.count("not measured:\nthe pool has no OOD error") == 1
    assert said.count("not measured:\nthe pool has no such cell") == 2


def test_a_constant_sharpness_has_no_tau(
    catalogue: dict[str, Figure], pools: dict[str, pd.DataFrame]
) -> None:
    flat = pools[RESNET].assign(**{f"{NORMALIZED}@0.001+paper": 0.5})
    said = texts(compose(catalogue["fig5"], {**pools, RESNET: flat}, None, DEFAULTS))
    assert said.count("τ = –") == 2


def test_a_pool_without_any_cell_draws_every_figure(
    catalogue: dict[str, Figure], pools: dict[str, pd.DataFrame]
) -> None:
    bare = {name: pool[[c for c in pool if "@" not in c]] for name, pool in pools.items()}
    for name in ("fig6", "fig29", "fig31", "fig44"):
        assert "the pool has no such cell" in texts(compose(catalogue[name], bare, None, {}))


def test_files_carry_no_date_and_have_the_same_bytes(
    tmp_path: Path, catalogue: dict[str, Figure], pools: dict[str, pd.DataFrame]
) -> None:
    draw(catalogue["fig5"], pools, tmp_path / "here", "mini: digits", DEFAULTS)
    for name, pool in pools.items():
        pool.to_csv(tmp_path / f"{name}.csv", index=False, float_format="%.17g")
    program = (
        "import sys; from sharpness.figures.drawing import draw;"
        "from sharpness.correlation import read_pool;"
        "from sharpness.figures.catalogue import load_catalogue;"
        f"pools = {{n: read_pool(f'{tmp_path}/{{n}}.csv') for n in {list(pools)}}};"
        f"draw(load_catalogue({str(CATALOGUE)!r})['fig5'], pools, {str(tmp_path / 'there')!r},"
        f"'mini: digits', {DEFAULTS!r}); assert 'torch' not in sys.modules"
    )
    # Another hash seed and another day: neither may show in the files.
    environment = os.environ | {"PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "1000000"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    for suffix in ("pdf", "png"):
        here, there = (tmp_path / f"{stem}.{suffix}" for stem in ("here", "there"))
        assert hashlib.sha256(here.read_bytes()).hexdigest() == (
            hashlib.sha256(there.read_bytes()).hexdigest()
        ), suffix
    pdf = (tmp_path / "here.pdf").read_bytes()
    assert b"CreationDate" not in pdf
    assert b"/Type3" not in pdf
    assert b"/CIDFontType2" in pdf or b"/TrueType" in pdf
    left = sorted(path.name for path in tmp_path.glob("*here*"))
    assert left == ["here.pdf", "here.png", "there.pdf", "there.png"]


def edited(tmp_path: Path, **changes: object) -> Path:
    """The catalogue with keys of its last figure changed; None removes the key."""
    entries = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
    entries[-1] = {k: v for k, v in (entries[-1] | changes).items() if v is not None}
    path = tmp_path / "figures.yaml"
    path.write_text(yaml.safe_dump(entries), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colums": "every radius"}, "fig44: colums: Extra inputs"),
        ({"rows": None}, "fig44: rows: Field required"),
        ({"columns": "every width"}, "fig44: columns"),
        ({"protocol": "papre"}, "fig44: protocol: .*'papre' is unknown"),
        ({"panels": {"x": "sharpness"}}, "fig44: .*a panel lacks 'pool'"),
        ({"panels": {"x": "sharpnes", "pool": VIT}}, "fig44: panels.x"),
        ({"columns": [{"label": "any"}]}, "fig44: .*a panel lacks 'radius'"),
        ({"rows": [{"definition": "worst-l3", "y": "gap"}]}, "fig44: rows.*'worst-l3' is unknown"),
        ({"id": "fig5"}, "fig5: the id is used twice"),
    ],
)
def test_a_typo_is_a_problem_that_names_figure_and_key(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(Problem, match=message) as raised:
        load_catalogue(edited(tmp_path, **changes))
    assert "\n" not in str(raised.value)


def test_a_file_that_is_no_list_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "figures.yaml"
    path.write_text("id: fig1\n")
    with pytest.raises(Problem, match="not a list"):
        load_catalogue(path)


def test_a_missing_pool_is_a_problem(
    catalogue: dict[str, Figure], pools: dict[str, pd.DataFrame]
) -> None:
    with pytest.raises(Problem, match="fig5: pool 'cifar10-vit'"):
        lay_out(catalogue["fig5"], {RESNET: pools[RESNET]}, DEFAULTS)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.02, 0.9, [0.03, 0.1, 0.3]),
        (0.02, 3.0, [0.1, 1.0]),
        (1e-6, 1.0, [1e-6, 1e-4, 1e-2, 1.0]),
    ],
)
def test_logarithmic_axes_have_two_to_four_ticks(
    low: float, high: float, ticks: list[float]
) -> None:
    assert _decades(low, high) == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("value", "text"), [(1e-3, "$10^{-3}$"), (3e-4, r"$3\cdot 10^{-4}$"), (1e5, "$10^{5}$")]
)
def test_ticks_read_as_powers_of_ten(value: float, text: str) -> None:
    assert _power(value) == text
