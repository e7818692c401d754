"""From the models of the three small networks to coefficients, findings and the figure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sharpness.io.files import read_json, write_csv, write_json
from sharpness.studies.findings import Finding
from sharpness.studies.hammoud import COLUMNS as MODEL_COLUMNS
from sharpness.studies.hammoud.correlations import COLUMNS, PUBLISHED, coefficients, read_models
from sharpness.studies.hammoud.stacks import row
from sharpness.studies.hammoud.summary import compose, summarise

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
    train_loss, again = train_loss or [0.5] * count, again or [None] * count
    columns = zip(train_loss, test_loss, [accuracy] * count, sharpness, again, strict=True)
    named = {"network": network, "procedure": procedure}
    models = [named | row(base, first + k, 3, *numbers) for k, numbers in enumerate(columns)]
    path = folder / network / f"{procedure}-{base}-{first}.csv"
    write_csv(path, models, MODEL_COLUMNS)
    return path


def records(folder: Path, *missing: str, reason: str = WHY) -> list[Path]:
    """The records of the three data sets."""
    paths = []
    for name in ("cora", "abalone", "fashion-mnist"):
        paths.append(folder / f"{name}.json")
        status = "missing" if name in missing else "present"
        record = {"name": name, "status": status, "reason": reason * (status == "missing")}
        write_json(paths[-1], {**record, "title": name, "files": [{"path": "a file"}]})
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
    pools = models.groupby(["network", "procedure", "base"], sort=False).groups
    assert [" ".join(map(str, key)) for key in pools] == [
        *("fcnn text 0", "fcnn code 2", "fcnn code 10", "fcnn text-raw-rings 0", "gat text 0")
    ]
    assert models["sharpness"][:24].tolist() == [*noise(5), *noise(3)]


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


def test_a_model_that_diverged_is_left_out_and_counted(tmp_path: Path) -> None:
    nan = float("nan")
    path = pool(tmp_path, "fcnn", "text", 0, [1, 2, nan, 3, 4], [1, 2, 0, 3, nan])
    (found,) = coefficients(read_models([path]))
    assert (found.models, found.tau) == (3, 1)
    assert found.reason == "2 of 5 models left out: no value"
    assert np.isnan(found.again)


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
    assert [(f.setting, f.published) for f in main] == [
        ("FCNN/Abalone, text, 4 models", "−0.311 (p = 0.0014)"),
        ("FCNN/Abalone, code, 12 models", "−0.311 (p = 0.0014)"),
        ("FCNN/Abalone, text-raw-rings, 2 models", "−0.311 (p = 0.0014)"),
        ("LeNet-5/Fashion-MNIST", "−0.180 (p = 0.065)"),
        ("GAT/Cora, text, 12 models", "−0.185 (p = 0.058)"),
    ]
    assert {f.verdict for f in main} == {"not testable here"}  # none has 50 models
    text, code, two, lenet, _ = main
    assert (text.value, text.note) == ("−1.000 (p = 0.083)", "")
    assert text.spread == "−1.000 to 1.000 over 3 seed bases"
    assert re.fullmatch("95% interval −.*, over models", code.spread)
    assert code.note == PUBLISHED["fcnn"].remark
    assert (two.value, two.spread) == ("undefined", "")
    assert (lenet.value, lenet.note) == ("not measured", WHY)


@pytest.mark.parametrize(("sign", "verdict"), [(1, "not confirmed"), (-1, "confirmed")])
def test_a_pool_of_the_published_size_confirms_tau_within_its_interval(
    tmp_path: Path, sign: int, verdict: str
) -> None:
    sharpness, other = np.array(noise(1, 50)), np.array(noise(2, 50))
    loss = [*(sign * 0.4 * sharpness + other)]
    files = {
        "models": [pool(tmp_path, "fcnn", "text", 0, [*sharpness], loss)],
        "records": records(tmp_path),
    }
    (main,) = [f for f in summarise(files) if f.quantity == "τ(sharpness, test loss)"]
    assert main.verdict == verdict, main


def test_what_explains_the_coefficient_comes_after_it(tmp_path: Path) -> None:
    findings = summarise(study(tmp_path))
    gap = find(findings, "τ(sharpness, generalization gap)", "FCNN/Abalone, text")
    assert (gap.published, gap.value) == ("", "−1.000")  # the training loss is the same for all
    (again,) = [f for f in findings if "again" in f.quantity]
    assert (again.setting.split(",")[1], again.value, again.spread) == (" code", "1.000", "")
    ranges = find(findings, "test loss, smallest to largest", "FCNN/Abalone, text")
    assert (ranges.published, ranges.value) == ("0.457 to 0.514", "0.1 to 0.4")
    raw = find(findings, "test loss, smallest to largest", "FCNN/Abalone, text-raw-rings")
    assert raw.published == ""  # another unit
    accuracy = [f for f in findings if f.quantity.startswith("test accuracy")]
    assert [(f.setting, f.published) for f in accuracy] == [("GAT/Cora, text", "0.295 to 0.764")]


def test_stand_ins_are_called_so(tmp_path: Path) -> None:
    files = study(tmp_path)
    shells = tmp_path / "abalone.json"
    write_json(shells, {**read_json(shells), "standin": "data.json"})
    of_fcnn = {f.setting for f in summarise(files) if f.setting.startswith("FCNN")}
    assert all(setting.startswith("FCNN/Abalone (stand-in), ") for setting in of_fcnn)
    titles = [panel.get_title() for panel in compose("hammoud1", files).axes]
    assert sum(title.startswith("FCNN/Abalone (stand-in), ") for title in titles) == 3


# -- the figure


def test_the_figure_has_a_row_a_procedure_and_a_column_a_network(tmp_path: Path) -> None:
    canvas = compose("hammoud1", study(tmp_path))
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


def test_without_any_data_each_network_says_why(tmp_path: Path) -> None:
    why = "too long a reason $x$ " * 50
    paths = records(tmp_path, "abalone", "fashion-mnist", "cora", reason=why)
    files = {"models": [pool(tmp_path, "fcnn", "text", 0, [], [])], "records": paths}
    findings = summarise(files)
    assert [f.setting for f in findings] == [p.title for p in PUBLISHED.values()]
    assert {(f.value, f.note) for f in findings} == {("not measured", why)}
    canvas = compose("hammoud1", files)
    canvas.draw_without_rendering()
    texts = [panel.texts[0].get_text() for panel in canvas.axes]
    assert len(texts) == 6
    assert all(re.fullmatch("not measured:\n.{1,250}…", text, re.DOTALL) for text in texts)
