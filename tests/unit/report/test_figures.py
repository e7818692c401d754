"""The catalogue of figures, the layout of their panels and the files they become."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
import synthetic
import synthetic_published
import yaml
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure as Canvas

from sharpness.io.errors import UserError
from sharpness.measures.definition import Cell, Definition
from sharpness.plots.style import COLOURS, RAMP, STYLE, _logarithmic, _power
from sharpness.report.figures.catalogue import Figure, as_standin, load_catalogue, panels_within
from sharpness.report.figures.drawing import compose, draw_figure
from sharpness.report.figures.layout import lay_out
from sharpness.statistics.kendall import format_tau, kendall

ROOT = Path(__file__).parents[3]
CATALOGUE = ROOT / "resources" / "figures.yaml"
RESNET, VIT = "cifar10-resnet18", "cifar10-vit"
DEFAULTS = {name: {"m": 128, "steps": 20} for name in (RESNET, VIT)}
I1K, I21K, SOUPS, BERTS = "augreg-i1k", "augreg-i21k", "clip-soups", "feather-berts"
NORMALIZED = "worst-linf-adaptive-normlogits"
FOUR = [
    f"{case}-linf-adaptive-{logits}"
    for case in ("worst", "average")
    for logits in ("normlogits", "rawlogits")
]
Catalogue = dict[str, Figure]
Pools = dict[str, pd.DataFrame]
SETS = ("ImageNet", "ImageNet-V2", "ImageNet-R", "ImageNet-Sketch", "ImageNet-A", "ObjectNet")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(CATALOGUE)


@pytest.fixture(scope="module")
def pools() -> Pools:
    trained = {RESNET: synthetic.pool(24, 0), VIT: synthetic.pool(24, 1)}
    return trained | {name: synthetic_published.pool(name) for name in synthetic_published.PARTS}


def texts(canvas: Canvas) -> str:
    """All that a figure says."""
    found = [text.get_text() for text in canvas.findobj(lambda artist: hasattr(artist, "get_text"))]
    return "\n".join(found)


def test_the_catalogue_holds_every_figure_of_the_issue(catalogue: Catalogue) -> None:
    assert list(catalogue) == [f"fig{number}" for number in range(2, 45) if number != 7]
    assert {figure.protocol for figure in catalogue.values()} == {"paper"}
    assert all(figure.caption and figure.title for figure in catalogue.values())
    assert catalogue["fig5"].pools == (RESNET, VIT)
    assert catalogue["fig38"].pools == (RESNET,)


def test_every_entry_has_a_panel_for_everything(catalogue: Catalogue, pools: Pools) -> None:
    shapes = {"fig5": (2, 4), "fig6": (2, 2), "fig29": (3, 4)}
    shapes |= dict.fromkeys(("fig2", "fig3", "fig4"), (2, 4)) | {"fig20": (1, 4)}
    shapes |= {f"fig{number}": (6, 3) for number in (*range(10, 18), 19, 21, 22)}
    shapes |= dict.fromkeys(("fig8", "fig9"), (4, 6)) | {f"fig{n}": (4, 3) for n in range(25, 29)}
    shapes |= dict.fromkeys(("fig18", "fig23", "fig24"), (6, 6))  # two logits, or six radii
    for name, figure in catalogue.items():
        grid = lay_out(figure, pools, DEFAULTS)
        assert (len(grid.specs), len(grid.specs[0])) == shapes.get(name, (4, 4))
        for spec in (spec for row in grid.specs for spec in row):
            for pool in spec.pools:
                assert {spec.x.column, spec.y.column} <= set(pools[pool])


def test_figures_5_and_20_are_at_the_radii_that_the_paper_prints(
    catalogue: Catalogue, pools: Pools
) -> None:
    first, second = lay_out(catalogue["fig5"], pools, DEFAULTS).specs
    assert [(s.pools, s.x.column, s.y.column) for s in first] == [
        ((pool,), f"{NORMALIZED}@{radius}+paper", error)
        for pool, radius in ((RESNET, 0.001), (VIT, 0.0005))
        for error in ("error_test", "error_corrupted")
    ]
    assert [s.x.column.split("@")[0] for s in second] == ["worst-linf-adaptive-rawlogits"] * 4
    (row,) = lay_out(catalogue["fig20"], pools, {}).specs
    cells = [f"{FOUR[0]}@0.002", f"{FOUR[2]}@0.1", f"{FOUR[1]}@0.002", f"{FOUR[3]}@0.1"]
    assert [spec.x.column for spec in row] == [f"{cell}+paper" for cell in cells]
    assert {spec.y.column for spec in row} == {"learning_rate"}
    canvas = compose(catalogue["fig20"], pools, None, {})  # model_0 has no learning rate
    assert [len(points(axes)) for axes in canvas.axes] == [71] * 4


PHOTOS = ["test", "v2", "r", "sketch", "a", "objectnet"]
SENTENCES = ["test", "lexical", "subsequence", "constituent"]


@pytest.mark.parametrize(
    ("first", "pool", "parts"),
    [(10, I1K, PHOTOS), (14, I21K, PHOTOS), (21, SOUPS, PHOTOS), (25, BERTS, SENTENCES)],
)
def test_four_figures_show_the_definitions_of_a_published_pool(
    catalogue: Catalogue, pools: Pools, first: int, pool: str, parts: list[str]
) -> None:
    for number, definition in enumerate(FOUR, start=first):
        grid = lay_out(catalogue[f"fig{number}"], pools, {})
        radii = synthetic_published.RADII[pool][definition.split("-")[0]]
        assert [row[0].y.column for row in grid.specs] == [f"error_{part}" for part in parts]
        for row in grid.specs:
            cells = [f"{definition}@{radius:g}+paper" for radius in radii]
            assert [spec.x.column for spec in row] == cells
            assert {spec.pools for spec in row} == {(pool,)}


def test_the_gap_stands_below_the_error(catalogue: Catalogue, pools: Pools) -> None:
    for name, pool in (("fig8", I1K), ("fig9", SOUPS)):
        grid = lay_out(catalogue[name], pools, {})
        assert grid.column_labels == SETS
        rows = list(zip(*[[spec.y.column for spec in row] for row in grid.specs], strict=True))
        assert rows[0] == ("error_test", "gap") * 2
        assert rows[1] == ("error_v2", "gap_v2") * 2
        assert grid.specs[0][0].pools == (pool,)
        # Normalized logits on top, as in the caption.
        assert grid.row_labels == ("Normalized",) * 2 + ("Unnormalized",) * 2
        x = [row[0].x.column for row in grid.specs]
        assert x == [f"{d}@0.002+paper" for d in FOUR[:2] for _ in range(2)]


def test_the_ablations_include_the_pools_own_setting(catalogue: Catalogue, pools: Pools) -> None:
    grid = lay_out(catalogue["fig31"], pools, DEFAULTS)
    assert grid.row_labels == ("m = 16", "m = 32", "m = 64", "m = 128")
    columns = [row[0].x.column.removeprefix(f"{NORMALIZED}@0.0005+paper") for row in grid.specs]
    assert columns == ["+m16", "+m32", "+m64", ""]
    grid = lay_out(catalogue["fig30"], pools, {RESNET: {"m": 64, "steps": 10}})
    assert grid.row_labels == tuple(f"{n} iterations" for n in (10, 50, 100, 200))
    grid = lay_out(catalogue["fig29"], pools, DEFAULTS)
    base = "average-linf-adaptive-normlogits@0.1+paper"
    assert [(row[0].x.column, row[0].y.column) for row in grid.specs] == [
        (base, "error_test"),
        (f"{base}+augmented", "error_test"),
        (base, f"{base}+augmented"),
    ]


def test_a_new_radius_is_a_new_panel(catalogue: Catalogue, pools: Pools) -> None:
    cell = Cell(Definition.parse("worst-linf-adaptive-normlogits"), 0.01)
    pool = pd.concat([pools[RESNET], pd.Series(1.0, pools[RESNET].index, name=cell.id)], axis=1)
    grid = lay_out(catalogue["fig38"], {RESNET: pool}, DEFAULTS)
    assert [len([s for s in row if s]) for row in grid.specs] == [4, 4, 5, 5]
    assert grid.specs[2][4].heading == "ρ = 0.01"


def test_titles_hold_tau_and_the_note_is_there(catalogue: Catalogue, pools: Pools) -> None:
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
    catalogue: Catalogue, pools: Pools
) -> None:
    canvas = compose(catalogue["fig6"], pools, None, DEFAULTS)
    assert {(a.get_xscale(), a.get_yscale()) for a in canvas.axes} == {("log", "log")}
    axes = compose(catalogue["fig38"], pools, None, DEFAULTS).axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")
    low, high = 100 * pools[RESNET]["error_test"].min(), 100 * pools[RESNET]["error_test"].max()
    assert low - 2 < axes.get_ylim()[0] < axes.get_ylim()[1] < high + 2
    negative = {"average-l2-standard-rawlogits@0.05+paper": np.linspace(-1.0, 50.0, 24)}
    canvas = compose(catalogue["fig33"], {RESNET: pools[RESNET].assign(**negative)}, None, DEFAULTS)
    assert canvas.axes[0].get_xscale() == "linear"
    assert _logarithmic(0.02, 0.9) == pytest.approx([0.03, 0.1, 0.3])
    assert _logarithmic(6e-3, 1.4e-2) == pytest.approx([7e-3, 1e-2])
    assert _logarithmic(1.5e-3, 9e-3) == pytest.approx([2e-3, 5e-3])
    assert _logarithmic(1e-6, 1.0) == pytest.approx([1e-6, 1e-4, 1e-2, 1.0])
    assert [_power(1e-3), _power(3e-4)] == ["$10^{-3}$", r"$3\cdot 10^{-4}$"]


@pytest.mark.parametrize("name", ["fig2", "fig9", "fig19", "fig29", "fig41"])
def test_one_scale_and_one_form_of_labels_for_a_quantity(
    catalogue: Catalogue, pools: Pools, name: str
) -> None:
    canvas = compose(catalogue[name], pools, None, DEFAULTS)
    assert canvas.get_figwidth() <= 7
    grid = lay_out(catalogue[name], pools, DEFAULTS)
    found: dict[tuple[str, str], set[tuple[str, bool]]] = {}
    specs = [spec for row in grid.specs for spec in row]
    for axes, spec in zip(canvas.axes, specs, strict=False):
        for which, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
            scale = axis.get_scale()
            label = getattr(spec, which).label
            assert scale == "linear" or "Gap" not in label
            words = [axis.get_major_formatter()(v) for v in axis.get_majorticklocs() if v]
            found.setdefault((which, label), set()).update((scale, "$" in word) for word in words)
    assert len(found) >= 2
    assert all(len(looks) == 1 for looks in found.values())


def test_a_gap_that_spans_logarithmic_is_linear(catalogue: Catalogue, pools: Pools) -> None:
    wide = pools[I1K].assign(gap=np.geomspace(1e-4, 0.5, len(pools[I1K])))
    canvas = compose(catalogue["fig8"], {I1K: wide}, None, {})
    assert {axes.get_yscale() for axes in canvas.axes[6:12]} == {"linear"}


def test_every_printed_tau_is_in_the_file_beside_the_figure(
    tmp_path: Path, catalogue: Catalogue, pools: Pools
) -> None:
    for name in ("fig18", "fig29"):
        draw_figure(catalogue[name], pools, tmp_path / name, None, DEFAULTS)
        rows = pd.read_csv(tmp_path / f"{name}.csv")
        canvas = compose(catalogue[name], pools, None, DEFAULTS)
        titles = [axes.get_title().replace("−", "-") for axes in canvas.axes]
        assert len(rows) == len(titles)
        for tau, title in zip(rows["tau"], titles, strict=True):
            assert title.endswith(f"τ = {format_tau(tau)}")
    compared = rows[rows["y"].str.endswith("+augmented")]  # of Figure 29
    assert list(compared["row"]) == ["Side by side"] * 4
    first = compared.iloc[0]
    expected = kendall(pools[RESNET][first["x"]], pools[RESNET][first["y"]], resamples=0)
    assert (first["tau"], first["models"]) == (pytest.approx(expected.tau, rel=1e-5), 22)


def test_a_value_without_models_says_so(catalogue: Catalogue, pools: Pools) -> None:
    pool = pools[RESNET].copy()
    cells = [name for name in pool if "@" in name]
    pool.loc[(pool["augment"] == 0) & (pool["mixup"] == 1), cells] = np.nan
    canvas = compose(catalogue["fig38"], {RESNET: pool}, None, DEFAULTS)
    names = [text.get_text() for text in canvas.legends[0].get_texts()]
    assert names == ["neither", "mixup (0 models)", "augment", "augment + mixup"]


def test_a_stand_in_is_never_called_by_the_real_name_alone(
    catalogue: Catalogue, pools: Pools
) -> None:
    for name in ("fig2", "fig4", "fig8", "fig18"):
        figure = as_standin(catalogue[name])
        assert figure.rows != catalogue[name].rows or figure.columns != catalogue[name].columns
        said = f"{texts(compose(figure, pools, None, {}))}\n{figure.caption}"
        names = re.findall(r"(\S+)\s+(?:ImageNet|ObjectNet|MNLI|HANS)", said)
        assert set(names) == {"stand-in"}
    assert as_standin(catalogue["fig5"]) == catalogue["fig5"]


def test_empty_panels_say_why(catalogue: Catalogue, pools: Pools) -> None:
    few = pools[RESNET].copy()
    few.loc[2:, f"{NORMALIZED}@0.001+paper"] = np.nan
    bare = pools[VIT].assign(error_corrupted=np.nan)
    bare = bare.drop(columns="worst-linf-adaptive-rawlogits@0.0005+paper")
    said = texts(compose(catalogue["fig5"], {RESNET: few, VIT: bare}, None, DEFAULTS))
    assert said.count("not measured:\n2 of 24 models with both\nvalues, 3 needed") == 2
    assert said.count("not measured:\nthe pool has no OOD error") == 1
    assert said.count("not measured:\nthe pool has no such cell") == 2
    flat = pools[RESNET].assign(**{f"{NORMALIZED}@0.001+paper": 0.5})
    said = texts(compose(catalogue["fig5"], {**pools, RESNET: flat}, None, DEFAULTS))
    assert said.count("τ = –") == 2


def test_a_pool_without_any_cell_draws_every_figure(catalogue: Catalogue, pools: Pools) -> None:
    bare = {name: pool[[c for c in pool if "@" not in c]] for name, pool in pools.items()}
    for name in ("fig6", "fig29", "fig31", "fig44"):
        assert "the pool has no such cell" in texts(compose(catalogue[name], bare, None, {}))


def points(axes: Axes) -> list[dict[str, Any]]:
    """What a panel shows of each model: where it is, and how."""
    found = []
    for group in axes.collections:
        colours = group.get_facecolor()
        for k, (x, y) in enumerate(group.get_offsets()):
            colour = to_hex(colours[k % len(colours)]) if len(colours) else "none"
            shape = len(group.get_paths()[0].vertices)
            size = float(group.get_sizes()[0])
            found.append({"x": x, "y": y, "colour": colour, "shape": shape, "size": size})
    return found


def legend_texts(legend: Any) -> list[str]:
    """The words of a legend that are not empty."""
    return [text.get_text() for text in legend.get_texts() if text.get_text()]


def test_colour_marker_and_size_each_stand_for_a_column(catalogue: Catalogue, pools: Pools) -> None:
    canvas = compose(catalogue["fig2"], pools, None, {})
    pool = pools[I1K].set_index(f"{NORMALIZED}@0.002+paper")
    shown = points(canvas.axes[0])
    assert len(shown) == 56
    rows = [pool.loc[point["x"]] for point in shown]
    for point, row in zip(shown, rows, strict=True):
        assert point["y"] == pytest.approx(100 * row["error_test"])
        assert point["colour"] == COLOURS[int(row["stochastic_depth"] > 0)].lower()
    shapes = {(row["weight_decay"], p["shape"]) for p, row in zip(shown, rows, strict=True)}
    assert len(shapes) == len(dict(shapes)) == 2
    sizes = {row["augmentation"]: p["size"] for p, row in zip(shown, rows, strict=True)}
    assert sorted(sizes, key=sizes.__getitem__) == ["none", "light", "medium", "strong"]
    drawn = [point["size"] for point in shown]
    assert drawn == sorted(drawn, reverse=True)  # a small point is never below a large one
    words = ["Stochastic depth and dropout:", "0", "0.1", "Weight decay:", "0.03", "0.1"]
    words += ["Augmentation:", "none", "light", "medium", "strong"]
    assert sorted(legend_texts(canvas.legends[0])) == sorted(words)


def test_darker_is_a_larger_learning_rate_and_the_base_model_a_star(
    catalogue: Catalogue, pools: Pools
) -> None:
    canvas = compose(catalogue["fig3"], pools, None, {})
    pool = pools[SOUPS].set_index(f"{NORMALIZED}@0.002+paper")
    shown = points(canvas.axes[0])
    rates = [pool.loc[point["x"], "learning_rate"] for point in shown]
    light = [int(p["colour"][1:3], 16) + int(p["colour"][3:5], 16) for p in shown[:-1]]
    order = np.argsort(rates[:-1])
    assert np.all(np.diff(np.array(light)[order]) <= 0)
    assert len(shown) == 72
    assert pool.loc[shown[-1]["x"], "model"] == "model_0"
    assert shown[-1]["colour"] == "none"
    bar = canvas.axes[-1]
    assert bar.get_xlim() == pytest.approx((min(rates[:-1]), max(rates[:-1])))
    assert bar.get_xscale() == "log"
    assert legend_texts(bar.get_legend()) == ["model_0: no learning rate"]
    assert "Learning rate" in texts(canvas)
    luminance = RAMP(np.linspace(0, 1, 64))[:, :3] ** 2.2 @ [0.2126, 0.7152, 0.0722]
    assert np.all(np.diff(luminance) < 0)
    errors = 100 * pools[BERTS]["error_test"]  # in percent, and every model has one
    bar = compose(catalogue["fig4"], pools, None, {}).axes[-1]
    assert bar.get_xlim() == pytest.approx((errors.min(), errors.max()))
    assert bar.get_legend() is None


@pytest.mark.parametrize("rate", [1e-5, np.nan])
def test_a_scale_of_one_value_or_of_none_is_drawn(
    catalogue: Catalogue, pools: Pools, rate: float
) -> None:
    alike = {SOUPS: pools[SOUPS].assign(learning_rate=rate)}
    canvas = compose(catalogue["fig3"], alike, None, {})
    canvas.draw_without_rendering()
    assert len(points(canvas.axes[0])) == 72
    assert ("72 models: no learning rate" in texts(canvas)) is bool(np.isnan(rate))


def test_two_pools_share_a_panel_and_its_tau(catalogue: Catalogue, pools: Pools) -> None:
    cell = f"{NORMALIZED}@0.002+paper"
    both = pd.concat([pools[I1K], pools[I21K]])
    tau = kendall(both[cell], both["error_test"], resamples=0).tau
    canvas = compose(catalogue["fig18"], pools, None, {})
    panel = canvas.axes[1]
    assert panel.get_title() == f"Normalized\nρ = 0.002\nτ = {format_tau(tau).replace('-', '−')}"
    shown = points(panel)
    assert len(shown) == 112
    blue = {point["x"] for point in shown if point["colour"] == COLOURS[0].lower()}
    assert blue == set(pools[I1K][cell])
    words = ["Pretrained on:", "ImageNet-1k", "ImageNet-21k"]
    words += ["Stochastic depth and dropout:", "0", "0.1"]
    assert sorted(legend_texts(canvas.legends[0])) == sorted(words)


def test_a_pool_that_lacks_a_column_is_named_and_the_other_drawn(
    catalogue: Catalogue, pools: Pools
) -> None:
    few = pools[I1K].iloc[::4].drop(columns="error_objectnet")
    bare = pools[I21K].drop(columns=["error_r", "error_objectnet"])
    bare.loc[[0, 1], f"{FOUR[2]}@0.05+paper"] = [0.01, 1.0]  # this pool alone spans two decades
    canvas = compose(catalogue["fig19"], {I1K: few, I21K: bare}, None, {})
    panel = canvas.axes[3 * SETS.index("ImageNet-R")]
    assert panel.get_title().startswith("without augreg-i21k\nτ = ")
    assert len(points(panel)) == 14
    assert texts(canvas).count("without") == 3
    assert texts(canvas).count("not measured:\nthe pool has no ObjectNet\nerror") == 3
    # One scale and one range for a column, though this row's own values would ask for others.
    for axes in canvas.axes[:15:3]:
        assert axes.get_xscale() == "log"
        assert axes.get_xlim() == canvas.axes[0].get_xlim()
        transform = [axes.transData.transform((x, 60))[0] for x in (0.02, 0.1)]
        width = axes.get_window_extent().width
        assert np.diff(transform) / width == pytest.approx(
            np.log(5) / np.log(np.divide(*axes.get_xlim()[::-1])), rel=1e-6
        )


@pytest.mark.parametrize("name", ["fig8", "fig18"])
def test_headings_of_narrow_panels_do_not_touch(
    catalogue: Catalogue, pools: Pools, name: str
) -> None:
    with matplotlib.rc_context(STYLE):
        canvas = compose(as_standin(catalogue[name]), pools, "mini: digits and sentences", {})
        canvas.draw_without_rendering()
        boxes = [[axes.title.get_window_extent() for axes in canvas.axes[:6]], []]
        for axes in canvas.axes[30:36] if name == "fig18" else canvas.axes[18:24]:
            low, high = axes.get_xlim()
            ticks = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
            boxes[1] += [word.get_window_extent() for at, word in ticks if low <= at <= high]
        assert len(boxes[1]) >= 12
        for line in boxes:
            for left, right in pairwise(line):
                assert left.x1 < right.x0
            assert line[0].x0 >= 0
            assert line[-1].x1 <= canvas.bbox.x1


def test_files_carry_no_date_and_have_the_same_bytes(
    tmp_path: Path, catalogue: Catalogue, pools: Pools
) -> None:
    drawn = ("fig5",)
    for figure in drawn:
        draw_figure(catalogue[figure], pools, tmp_path / f"here-{figure}", "mini: digits", DEFAULTS)
    for name, pool in pools.items():
        pool.to_csv(tmp_path / f"{name}.csv", index=False, float_format="%.17g")
    program = (
        "import sys; from sharpness.report.figures.drawing import draw_figure;"
        "from sharpness.statistics.correlation import read_pool;"
        "from sharpness.report.figures.catalogue import load_catalogue;"
        f"pools = {{n: read_pool(f'{tmp_path}/{{n}}.csv') for n in {list(pools)}}};"
        f"catalogue = load_catalogue({str(CATALOGUE)!r});"
        f"[draw_figure(catalogue[figure], pools, {str(tmp_path / 'there')!r} + '-' + figure,"
        f"'mini: digits', {DEFAULTS!r}) for figure in {drawn}]; assert 'torch' not in sys.modules"
    )
    # Another hash seed and another day: neither may show in the files.
    environment = os.environ | {"PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "1000000"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    names = sorted(f"{figure}.{suffix}" for figure in drawn for suffix in ("csv", "pdf", "png"))
    for name in names:
        here, there = ((tmp_path / f"{stem}-{name}").read_bytes() for stem in ("here", "there"))
        assert hashlib.sha256(here).digest() == hashlib.sha256(there).digest(), name
    assert b"/Type3" not in (tmp_path / "here-fig5.pdf").read_bytes()
    left = sorted(path.name for path in tmp_path.glob("*here*"))
    assert left == [f"{stem}-{name}" for stem in ("here", "there") for name in names]


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
        ({"colums": "every radius"}, "fig44: colums: there is no such key"),
        ({"protocol": "papre"}, "fig44: protocol: 'papre': .*did you mean 'paper'"),
        ({"panels": {"x": "sharpness"}}, "fig44: .*a panel lacks 'pool'"),
        ({"rows": [{"definition": "worst-l3", "y": "gap"}]}, "rows.0.definition: 'worst-l3'"),
        ({"id": "fig5"}, "fig5: the id is used twice"),
        ({"panels": {"pool": VIT, "x": "sharpness", "part": "r"}}, "part 'r' has no use"),
        ({"panels": {"pool": VIT, "x": "gap", "part": "train"}}, "part 'train' has no gap"),
        ({"marker": {"columns": "a", "scale": "log"}}, "fig44: marker: .*for colours alone"),
    ],
)
def test_a_typo_is_a_problem_that_names_figure_and_key(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message) as raised:
        load_catalogue(edited(tmp_path, **changes))
    assert "\n" not in str(raised.value)


def test_a_pool_or_a_column_that_is_missing_is_a_problem(
    catalogue: Catalogue, pools: Pools
) -> None:
    with pytest.raises(UserError, match="fig5: pool 'cifar10-vit'"):
        lay_out(catalogue["fig5"], {RESNET: pools[RESNET]}, DEFAULTS)
    bare = {I1K: pools[I1K].drop(columns="weight_decay")}
    with pytest.raises(UserError, match="fig2: no pool of the figure has a column 'weight_decay'"):
        compose(catalogue["fig2"], bare, None, {})


def test_figures_5_and_6_say_tau_within_each_subgroup(catalogue: Catalogue, pools: Pools) -> None:
    shown = panels_within(catalogue["fig5"], VIT)
    assert len(shown) == 4
    assert shown[0] == (f"{NORMALIZED}@0.0005+paper", "error_test")
    assert {target for _, target in shown} == {"error_test", "error_corrupted"}
    assert [target for _, target in panels_within(catalogue["fig6"], RESNET)] == [
        "learning_rate"
    ] * 2
    assert panels_within(catalogue["fig38"], RESNET) == []
    for name in ("fig5", "fig6"):
        canvas = compose(catalogue[name], pools, None, DEFAULTS)
        specs = [s for row in lay_out(catalogue[name], pools, DEFAULTS).specs for s in row]
        for axes, spec in zip(canvas.axes, specs, strict=True):
            (pool,) = (pools[name] for name in spec.pools)
            legend = axes.get_legend()
            assert legend is not None
            found = [text.get_text().replace("−", "-") for text in legend.get_texts()]
            expected = []
            for augment in (0, 1):
                for mixup in (0, 1):
                    of = pool[(pool["augment"] == augment) & (pool["mixup"] == mixup)]
                    tau = kendall(of[spec.x.column], of[spec.y.column], resamples=0)
                    expected.append(format_tau(tau.tau) if tau.status == "ok" else "–")
            assert found == expected
    assert all(a.get_legend() is None for a in compose(catalogue["fig38"], pools).axes)
