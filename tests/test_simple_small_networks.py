"""From the models of the three small networks to coefficients, findings and the figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from sharpness.figures.saving import save
from sharpness.files import read_json, write_csv, write_json
from sharpness.problem import Problem
from sharpness.simple.findings import Finding
from sharpness.simple.small_networks.correlations import COLUMNS, coefficients, read_models
from sharpness.simple.small_networks.figures import compose
from sharpness.simple.small_networks.published import PUBLISHED
from sharpness.simple.small_networks.rows import COLUMNS as MODEL_COLUMNS
from sharpness.simple.small_networks.rows import row
from sharpness.simple.small_networks.summary import summarise
from sharpness.simple.small_networks.words import coefficient

WHY = "https://host.example/x: is neither here nor there; set `offline: false`"

Values = Sequence[float]


def pool(
    folder: Path,
    network: str,
    procedure: str,
    base: int,
    sharpness: Values,
    test_loss: Values,
    *,
    train_loss: Values | None = None,
    again: Sequence[float | None] | None = None,
    accuracy: float | None = None,
    first: int = 0,
) -> Path:
    """A file of models as the pools write it."""
    count = len(sharpness)
    columns = zip(
        range(first, first + count),
        train_loss if train_loss is not None else [0.5] * count,
        test_loss,
        sharpness,
        again if again is not None else [None] * count,
        strict=True,
    )
    models = [
        {
            "network": network,
            "procedure": procedure,
            **row(base, model, 3 + model % 3, train, test, accuracy, value, second),
        }
        for model, train, test, value, second in columns
    ]
    path = folder / network / f"{procedure}-{base}-{first}.csv"
    write_csv(path, models, MODEL_COLUMNS)
    return path


def records(folder: Path, *missing: str) -> list[Path]:
    """The records of the three data sets."""
    paths = []
    for name in ("cora", "abalone", "fashion-mnist"):
        path = folder / f"{name}.json"
        status = "missing" if name in missing else "present"
        record = {"name": name, "status": status, "reason": WHY * (status == "missing")}
        write_json(path, {**record, "title": name, "files": [{"path": "a file"}]})
        paths.append(path)
    return paths


def eq4(x: Values, y: Values) -> float:
    """Eq. 4 of the paper, pair by pair."""
    pairs = [(i, j) for i in range(len(x)) for j in range(i)]
    return sum(np.sign(x[i] - x[j]) * np.sign(y[i] - y[j]) for i, j in pairs) / len(pairs)


def noise(seed: int, count: int = 12) -> Values:
    return list(np.random.default_rng(seed).uniform(0.1, 1, count))


# -- reading


def test_models_of_many_files_come_in_the_published_order(tmp_path: Path) -> None:
    files = [
        pool(tmp_path, "gat", "text", 0, noise(1), noise(2)),
        pool(tmp_path, "fcnn", "text-raw-rings", 0, noise(1), noise(2)),
        pool(tmp_path, "fcnn", "code", 10, noise(1), noise(2)),
        pool(tmp_path, "fcnn", "code", 2, noise(1), noise(2)),
        pool(tmp_path, "fcnn", "text", 0, noise(3), noise(4), first=12),
        pool(tmp_path, "fcnn", "text", 0, noise(5), noise(6)),
        pool(tmp_path, "lenet", "text", 0, [], []),
    ]
    models = read_models(files)
    assert list(models.columns) == list(MODEL_COLUMNS)
    keys = list(dict.fromkeys(models[["network", "procedure", "base"]].itertuples(index=False)))
    assert [tuple(key) for key in keys] == [
        ("fcnn", "text", 0),
        ("fcnn", "code", 2),
        ("fcnn", "code", 10),
        ("fcnn", "text-raw-rings", 0),
        ("gat", "text", 0),
    ]
    assert models["model"][:24].tolist() == list(range(24))
    assert models["sharpness"][:24].tolist() == [*noise(5), *noise(3)]
    assert read_models(files[::-1]).equals(models)


def test_headers_alone_are_no_models(tmp_path: Path) -> None:
    models = read_models([pool(tmp_path, "lenet", "text", 0, [], [])])
    assert list(models.columns) == list(MODEL_COLUMNS)
    assert coefficients(models) == []


# -- coefficients


def test_each_coefficient_is_of_what_it_is_called(tmp_path: Path) -> None:
    sharpness, test, train, again = noise(1), noise(2), noise(3), noise(4)
    path = pool(
        tmp_path, "gat", "code", 1, sharpness, test, train_loss=train, again=again, accuracy=0.5
    )
    (found,) = coefficients(read_models([path]))
    gap = [a - b for a, b in zip(test, train, strict=True)]
    assert (found.network, found.procedure, found.base, found.models) == ("gat", "code", 1, 12)
    assert found.tau == pytest.approx(eq4(sharpness, test))
    assert found.gap == pytest.approx(eq4(sharpness, gap))
    assert found.train == pytest.approx(eq4(sharpness, train))
    assert found.again == pytest.approx(eq4(sharpness, again))
    assert len({found.tau, found.gap, found.train, found.again}) == 4
    assert found.low <= found.tau <= found.high
    assert (found.reason, list(asdict(found))) == ("", list(COLUMNS))


def test_the_p_value_is_the_exact_one_of_few_models(tmp_path: Path) -> None:
    """Of the 24 orders of four models, two are at least as extreme as the sorted one."""
    path = pool(tmp_path, "fcnn", "text", 0, [1, 2, 3, 4], [1, 2, 3, 4])
    (found,) = coefficients(read_models([path]), resamples=0)
    assert (found.tau, found.p) == (1, pytest.approx(2 / 24))
    assert np.isnan(found.low)


def test_the_bases_and_the_procedures_are_pools_of_their_own(tmp_path: Path) -> None:
    ranks = [1.0, 2, 3, 4]
    files = [
        pool(tmp_path, "fcnn", "text", 0, ranks, ranks),
        pool(tmp_path, "fcnn", "text", 1, ranks, ranks[::-1]),
        pool(tmp_path, "fcnn", "code", 0, ranks, [2, 1, 4, 3]),
    ]
    found = coefficients(read_models(files), resamples=0)
    assert [(f.procedure, f.base, round(f.tau, 9)) for f in found] == [
        ("text", 0, 1),
        ("text", 1, -1),
        ("code", 0, round(1 / 3, 9)),
    ]


def test_a_model_that_diverged_is_left_out_and_counted(tmp_path: Path) -> None:
    nan = float("nan")
    path = pool(tmp_path, "fcnn", "text", 0, [1, 2, nan, 3, 4], [1, 2, 0, 3, nan])
    (found,) = coefficients(read_models([path]))
    assert (found.models, found.tau) == (3, 1)
    assert found.reason == "2 of 5 models left out: no value"
    assert np.isnan(found.again)


@given(st.permutations(range(7)), st.permutations(range(7)))
def test_only_the_ranks_matter(
    tmp_path_factory: pytest.TempPathFactory, x: list[int], y: list[int]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    taus = []
    for stretch in (lambda v: v + 1.0, lambda v: np.exp(2.0 * v)):
        path = pool(folder, "fcnn", "text", 0, [stretch(v) for v in x], [stretch(v) for v in y])
        taus.append(coefficients(read_models([path]), resamples=0)[0].tau)
    assert taus[0] == taus[1] == pytest.approx(eq4(x, y))


# -- findings


def find(findings: list[Finding], quantity: str, setting: str) -> Finding:
    """The one of this quantity whose setting begins with these words."""
    said = [f for f in findings if f.quantity == quantity]
    (found,) = [f for f in said if f"{f.setting}, ".startswith(f"{setting}, ")]
    return found


def study(tmp_path: Path) -> Mapping[str, Any]:
    """Three bases of the FCNN by text, one by code; the GAT by text; no Fashion-MNIST."""
    ranks = [0.1, 0.2, 0.3, 0.4]
    orders = ([0.4, 0.3, 0.2, 0.1], [0.3, 0.4, 0.1, 0.2], ranks)  # τ = −1, −1/3, 1
    files = [
        *(pool(tmp_path, "fcnn", "text", b, ranks, order) for b, order in enumerate(orders)),
        pool(tmp_path, "fcnn", "code", 0, noise(1), noise(2), again=noise(1)),
        pool(tmp_path, "fcnn", "text-raw-rings", 0, [0.1, 0.2], ranks[:2]),
        pool(tmp_path, "gat", "text", 0, noise(5), noise(6), accuracy=0.7),
        pool(tmp_path, "lenet", "text", 0, [], []),
    ]
    return {"models": files, "records": records(tmp_path, "fashion-mnist")}


def test_published_and_ours_stand_side_by_side(tmp_path: Path) -> None:
    findings = summarise(study(tmp_path))
    main = [f for f in findings if f.quantity == "τ(sharpness, test loss)"]
    assert findings[: len(main)] == main
    assert [f.setting for f in main] == [
        "FCNN/Abalone, text, 4 models",
        "FCNN/Abalone, code, 12 models",
        "FCNN/Abalone, text-raw-rings, 2 models",
        "LeNet-5/Fashion-MNIST",
        "GAT/Cora, text, 12 models",
    ]
    text, code, two, lenet, gat = main
    assert text.published == "−0.311 (p = 0.0014)"
    assert text.value == "−1.000 (p = 0.083)"
    assert text.spread == "−1.000 to 1.000 over 3 seed bases"
    assert text.note == ""
    assert code.spread.startswith("95% interval −")
    assert code.spread.endswith(", over models")
    assert code.note == PUBLISHED["fcnn"].remark
    assert (two.value, two.spread) == ("undefined", "")
    assert "3 needed" in two.note
    assert lenet == Finding(
        "τ(sharpness, test loss)",
        "LeNet-5/Fashion-MNIST",
        "−0.180 (p = 0.065)",
        "not measured",
        note=WHY,
    )
    assert gat.published == "−0.185 (p = 0.058)"


def test_what_explains_the_coefficient_comes_after_it(tmp_path: Path) -> None:
    findings = summarise(study(tmp_path))
    gap = find(findings, "τ(sharpness, generalization gap)", "FCNN/Abalone, text")
    assert (gap.published, gap.value) == ("", "−1.000")  # the training loss is the same for all
    assert gap.spread == "−1.000 to 1.000 over 3 seed bases"
    again = find(findings, "τ(sharpness, sharpness measured again)", "FCNN/Abalone, code")
    assert (again.value, again.spread) == ("1.000", "")
    measured_twice = [f for f in findings if "again" in f.quantity]
    assert measured_twice == [again]
    ranges = find(findings, "test loss, smallest to largest", "FCNN/Abalone, text")
    assert (ranges.published, ranges.value) == ("0.457 to 0.514", "0.1 to 0.4")
    assert ranges.note == "median 0.25"
    raw = find(findings, "test loss, smallest to largest", "FCNN/Abalone, text-raw-rings")
    assert raw.published == ""  # another unit
    accuracy = [f for f in findings if f.quantity.startswith("test accuracy")]
    assert [(f.setting, f.published) for f in accuracy] == [("GAT/Cora, text", "0.295 to 0.764")]


def test_without_any_data_each_network_says_why(tmp_path: Path) -> None:
    files = {
        "models": [pool(tmp_path, "fcnn", "text", 0, [], [])],
        "records": records(tmp_path, "abalone", "fashion-mnist", "cora"),
    }
    findings = summarise(files)
    assert [f.setting for f in findings] == [p.title for p in PUBLISHED.values()]
    assert {(f.value, f.note) for f in findings} == {("not measured", WHY)}


def test_stand_ins_are_called_so(tmp_path: Path) -> None:
    files = study(tmp_path)
    shells = tmp_path / "abalone.json"
    write_json(shells, {**read_json(shells), "standin": "data.json"})
    settings = {finding.setting for finding in summarise(files)}
    assert {s for s in settings if s.startswith("FCNN")} == {
        s for s in settings if s.startswith("FCNN/Abalone (stand-in), ")
    }
    titles = [
        panel.get_title() for panel in drawn(tmp_path, lambda: compose("hammoud1", files)).axes
    ]
    assert titles[0].startswith("FCNN/Abalone (stand-in), text\n")
    assert sum("(stand-in)" in title for title in titles) == 3


def test_the_published_coefficients_are_those_of_the_paper() -> None:
    assert [published.tau for published in PUBLISHED.values()] == [-0.311, -0.180, -0.185]
    assert [p.p < 0.05 for p in PUBLISHED.values()] == [True, False, False]


@pytest.mark.parametrize(
    ("tau", "p", "said"),
    [
        (-0.3114, 0.00141, "−0.311 (p = 0.0014)"),
        (0.5, 1.0, "0.500 (p = 1)"),
        (-0.0001, 0.999, "0.000 (p = 1)"),
        (-1, 1e-4, "−1.000 (p = 0.0001)"),
        (0.7, 9e-5, "0.700 (p < 0.0001)"),
        (float("nan"), float("nan"), "undefined"),
    ],
)
def test_a_coefficient_in_words(tau: float, p: float, said: str) -> None:
    assert coefficient(tau, p) == said


# -- the figure


def drawn(tmp_path: Path, make: Callable[[], Figure]) -> Figure:
    """The figure as it is saved; that it can be."""
    kept: list[Figure] = []

    def keep() -> Figure:
        kept.append(make())
        return kept[0]

    save(keep, tmp_path / "drawn", "title")
    return kept[0]


def test_the_figure_has_a_row_a_procedure_and_a_column_a_network(tmp_path: Path) -> None:
    files = study(tmp_path)
    canvas = drawn(tmp_path, lambda: compose("hammoud1", files))
    axes = np.array(canvas.axes).reshape(3, 3)
    assert axes[0, 0].get_title().split("\n") == [
        "FCNN/Abalone, text",
        "τ = −1.000 (p = 0.083)",
        "published −0.311 (p = 0.0014)",
    ]
    points = np.asarray(axes[0, 0].collections[0].get_offsets())
    assert points.tolist() == [[0.1, 0.4], [0.2, 0.3], [0.3, 0.2], [0.4, 0.1]]  # the first base
    assert "undefined" in axes[2, 0].get_title()
    for panel, procedure in zip(axes[:2, 1], ("text", "code"), strict=True):
        assert panel.get_title() == f"LeNet-5/Fashion-MNIST, {procedure}"
        (said,) = [text.get_text() for text in panel.texts]
        assert said.replace("\n", " ") == f"not measured: {WHY}"
    off = [(i, j) for i in range(3) for j in range(3) if not axes[i, j].axison]
    assert off == [(1, 2), (2, 1), (2, 2)]  # pools that nobody asked for
    assert len(axes[0, 2].collections[0].get_offsets()) == 12


def test_a_figure_of_nothing_says_so(tmp_path: Path) -> None:
    long = {"name": "cora", "status": "missing", "reason": "too long a reason $x$ " * 50}
    long |= {"title": "Cora", "files": []}
    paths = records(tmp_path, "abalone", "fashion-mnist")
    write_json(paths[0], long)
    canvas = drawn(tmp_path, lambda: compose("hammoud1", {"models": [], "records": paths}))
    assert len(canvas.axes) == 6
    texts = [panel.texts[0].get_text() for panel in canvas.axes]
    assert all(text.startswith("not measured:\n") for text in texts)
    assert texts[2].endswith("…")
    assert len(texts[2]) < 260


def test_models_that_all_diverged_leave_a_panel_empty(tmp_path: Path) -> None:
    nan = [float("nan")] * 4
    files = {
        "models": [pool(tmp_path, "gat", "text", 0, nan, nan)],
        "records": records(tmp_path),
    }
    canvas = drawn(tmp_path, lambda: compose("hammoud1", files))
    assert "τ = undefined" in canvas.axes[2].get_title()
    assert find(summarise(files), "τ(sharpness, test loss)", "GAT/Cora, text").value == "undefined"


def test_the_same_models_give_the_same_bytes(tmp_path: Path) -> None:
    files = study(tmp_path)
    for name in ("one", "two"):
        save(lambda: compose("hammoud1", files), tmp_path / name, "Figure 1")
    for suffix in ("pdf", "png"):
        one, two = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in ("one", "two"))
        assert one == two


def test_another_figure_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="hammoud2"):
        compose("hammoud2", {"models": [], "records": []})
