"""Errors and cells of one model: right numbers, kept item by item, never computed twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from evaluations import (
    AVERAGE,
    CELLS,
    OK,
    PLAN,
    SETS,
    WORST,
    column,
    images,
    made_subject,
    network,
    read,
    record,
    written,
)
from torch import nn

from sharpness import Cell, sharpness
from sharpness.evaluation import datasets as sets_module
from sharpness.evaluation import evaluate as evaluating
from sharpness.evaluation import measuring as measuring_module
from sharpness.evaluation.datasets import EvalDatasets
from sharpness.evaluation.evaluate import EvaluatedModel, evaluate, evaluate_models
from sharpness.evaluation.plan import write_rows
from sharpness.io.errors import UserError
from sharpness.io.files import read_json, sha256
from sharpness.measures import measurement as measurement_module
from sharpness.measures.measurement import Measurement
from sharpness.measures.measuring import measure
from sharpness.measures.micro_batch import MicroBatch
from sharpness.measures.registry import measures


@pytest.fixture
def subject(tmp_path: Path) -> EvaluatedModel:
    return made_subject(tmp_path)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What is loaded: examples are found by the name of their part."""
    calls: list[tuple[Any, ...]] = []

    def load(name: str, split: str, record: Mapping[str, Any], inputs: Any = None) -> Any:
        calls.append((name, split, inputs))
        return SETS[name] if name in SETS else images(30, len(name))

    monkeypatch.setattr(sets_module, "load_dataset", load)
    return calls


def present(*parts: str, **missing: str) -> EvalDatasets:
    return EvalDatasets(
        {part: record(part) for part in parts} | {p: record(p, why) for p, why in missing.items()}
    )


SOME = ("train", "test")


def test_rows_hold_what_the_library_measures(subject: EvaluatedModel, opened: list[Any]) -> None:
    sets = present(*SOME, corrupted="not here")
    found = {**evaluate(subject, PLAN, sets, OK), "missing": sets.missing}
    errors, cells = written(found, subject)
    points = SETS["train"].subset(slice(0, 16))
    batches = list(zip(points.normalized().split(8), points.labels.split(8), strict=True))
    alone = sharpness(subject.model, batches, WORST, 0.01, steps=3)
    assert float(cells[0]["value"]) == alone.value
    assert float(cells[0]["stderr"]) == alone.stderr
    released = sharpness(subject.model, batches, AVERAGE, 0.1, protocol="released", samples=2)
    assert float(cells[5]["value"]) == released.value
    assert cells[6]["value"] != cells[4]["value"]
    assert column(cells, "cell") == [cell.id for cell in CELLS]
    assert column(cells, "m") == ["8", "8", "4", "8", "8", "8", "8"]
    assert column(cells, "steps") == ["3", "3", "3", "5", "", "", ""]
    assert column(cells, "samples") == ["", "", "", "", "4", "2", "4"]
    assert {*column(cells, "checkpoint")} == {sha256(subject.checkpoint)[:16]}
    assert column(errors, "part") == ["train", "test", "corrupted"]
    assert column(errors, "source") == ["evaluated", "evaluated", ""]
    assert errors[2]["status"] == "missing"
    assert errors[2]["reason"] == "not here"


def test_finished_items_are_not_computed_again(
    subject: EvaluatedModel, opened: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = written(evaluate(subject, PLAN, present(*SOME), OK), subject)
    monkeypatch.setattr(evaluating, "error_and_loss", None)
    monkeypatch.setattr(measuring_module, "resident", None)
    asked: list[Cell] = []
    assert written(evaluate(subject, PLAN, present(*SOME), OK), subject) == first

    def counting(model: Any, data: Any, cells: list[Cell], *args: Any, **kwargs: Any) -> Any:
        asked.extend(cells)
        return iter(())

    monkeypatch.setattr(measuring_module, "measure_cells", counting)
    monkeypatch.setattr(measuring_module, "resident", lambda *_: [])
    wider = replace(PLAN, cells=(*CELLS, Cell(WORST, 0.02)))
    evaluate(subject, wider, present(*SOME), OK)
    assert asked == [Cell(WORST, 0.02)]


def test_another_checkpoint_or_setting_is_another_item(
    subject: EvaluatedModel, opened: list[Any]
) -> None:
    first = set(evaluate(subject, PLAN, present(*SOME), OK)["cells"])
    other = set(evaluate(subject, replace(PLAN, seed=1), present(*SOME), OK)["cells"])
    assert not first & other
    subject.checkpoint.write_bytes(b"other weights")
    assert not first & set(evaluate(subject, PLAN, present(*SOME), OK)["cells"])


def test_mixed_precision_makes_other_items_of_worst_cases_alone(
    subject: EvaluatedModel, opened: list[Any]
) -> None:
    ordered = replace(PLAN, cells=(CELLS[4], CELLS[0]))
    mixed = replace(ordered, precision="mixed")
    (average, worst), found = (
        evaluate(subject, ordered, present(*SOME), OK)["cells"],
        evaluate(subject, mixed, present(*SOME), OK),
    )
    assert found["cells"][0] == average
    assert found["cells"][1] != worst
    rows = written(found, subject, mixed)[1]
    assert column(rows, "precision") == ["", "mixed"]
    points = SETS["train"].subset(slice(0, 16))
    batches = list(zip(points.normalized().split(8), points.labels.split(8), strict=True))
    alone = sharpness(subject.model, batches, WORST, 0.01, steps=3, precision="mixed")
    assert float(rows[1]["value"]) == alone.value


def test_how_many_examples_pass_at_a_time_makes_no_other_item(
    subject: EvaluatedModel, opened: list[Any], tmp_path: Path
) -> None:
    whole = evaluate(subject, PLAN, present(*SOME), OK)
    apart = replace(subject, state=tmp_path / "other")
    sizes: set[int] = set()

    def note(_: nn.Module, inputs: Any) -> None:
        if torch.is_grad_enabled():  # the check of pieces makes a pass of the whole without
            sizes.add(len(inputs[0]))

    subject.model.register_forward_pre_hook(note)
    assert evaluate(apart, PLAN, present(*SOME), OK, room=MicroBatch(3)) == whole
    assert sizes
    assert sizes <= {1, 2, 3}
    for name in whole["errors"] + whole["cells"]:
        one, two = read_json(subject.state / name), read_json(apart.state / name)
        for key in {"error", "value", "per_batch"} & one.keys():
            assert one.pop(key) == pytest.approx(two.pop(key), rel=1e-3, abs=1e-6)
        same = {k for k in one if k not in ("loss", "stderr")}
        assert {k: one[k] for k in same} == {k: two[k] for k in same}


@pytest.mark.parametrize(
    ("trained", "reason"),
    [
        ({**OK, "train_error": 0.026}, "training error 2.6 % is above 1 %"),
        ({"status": "diverged", "reason": "loss not finite in epoch 3"}, "loss not finite"),
    ],
)
def test_a_skipped_model_says_why(
    subject: EvaluatedModel, opened: list[Any], trained: dict[str, Any], reason: str
) -> None:
    plan = replace(PLAN, max_train_error=0.01)
    found = evaluate(subject, plan, present(*SOME), trained)
    _, cells = written(found, subject)
    assert column(cells, "cell") == [cell.id for cell in CELLS]
    assert {*column(cells, "status")} == {"skipped"}
    assert all(reason in c["reason"] and c["value"] == "" for c in cells)
    if trained["status"] == "ok":
        assert not PLAN.skipped(trained)


def test_without_a_training_the_error_found_here_counts(
    subject: EvaluatedModel, opened: list[Any]
) -> None:
    """The rule of 1 % for released models, whose training has no record."""
    whole = evaluate(subject, PLAN, present(*SOME))
    error = read_json(subject.state / whole["errors"][0])["error"]
    assert evaluate(subject, replace(PLAN, max_train_error=error), present(*SOME)) == whole
    less = replace(PLAN, max_train_error=error - 0.01)
    found = evaluate(subject, less, present(*SOME))
    assert found["errors"] == whole["errors"]
    assert found["cells"] == []
    errors, cells = written(found, subject)
    assert {*column(errors, "status")} == {"ok"}
    assert {*column(cells, "status")} == {"skipped"}
    assert all(row["reason"].startswith(f"training error {100 * error:.1f} %") for row in cells)
    assert evaluate(subject, less, present(*SOME), OK)["cells"] == whole["cells"]


def test_a_model_with_weights_that_are_not_finite_is_asked_nothing(
    subject: EvaluatedModel, opened: list[Any]
) -> None:
    subject.model[1].weight.data[2, 5] = float("inf")  # type: ignore[index]
    subject.model[3].bias.data.fill_(float("nan"))  # type: ignore[index]
    sets = present("train", "test", "v2", r="get r")
    known = {"v2": 0.5}
    found = {**evaluate(subject, PLAN, sets, published=known), "missing": sets.missing}
    errors, cells = written(found, subject)
    reason = f"{subject.checkpoint}: 1 of the 384 numbers of tensor 1.weight are not finite"
    assert column(errors, "part") == ["train", "test", "v2", "r"]
    assert column(errors, "status") == ["failed"] * 3 + ["missing"]
    assert column(cells, "cell") == [cell.id for cell in CELLS]
    assert {*column(cells, "status")} == {"failed"}
    assert all(row["reason"].startswith(reason) for row in errors[:3] + cells)
    assert not any(row["error"] for row in errors)
    assert not any(row["value"] for row in cells)
    assert opened == []
    assert not subject.state.exists()
    diverged = {"status": "diverged", "reason": "diverged: the loss is not finite in epoch 3"}
    _, cells = written(evaluate(subject, PLAN, present(*SOME), diverged), subject)
    assert {*column(cells, "status")} == {"skipped"}  # its training has said more


def test_what_cannot_be_measured_is_named(subject: EvaluatedModel, opened: list[Any]) -> None:
    with pytest.raises(UserError, match="has 40 training examples, sharpness"):
        evaluate(subject, replace(PLAN, points=41), present(*SOME))
    found = evaluate(subject, PLAN, present(*SOME))
    (subject.state / found["cells"][2]).unlink()
    with pytest.raises(UserError, match=rf"{found['cells'][2]}: a finished item is gone"):
        written(found, subject)
    nn.init.constant_(subject.model[3].weight, 3e38)  # type: ignore[index]
    subject.checkpoint.write_bytes(b"other weights")
    _, cells = written(evaluate(subject, PLAN, present(*SOME)), subject)
    assert {*column(cells, "status")} == {"failed"}
    assert all("loss of the unperturbed model is nan" in c["reason"] for c in cells)


def test_a_broken_model_leaves_the_others_of_its_job_alone(
    checkpoints: dict[str, Path],
    opened: list[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> None:
    def load_model(path: Path, device: torch.device) -> nn.Module:
        model = network()
        if path.stem == "a":
            model[1].weight.data[0, 0] = float("nan")
        return model

    monkeypatch.setattr(evaluating, "load_model", load_model)
    found = evaluate_models(checkpoints, None, PLAN, DATA, tmp_path, CPU)
    assert found["a"]["cells"] == found["a"]["errors"] == []
    assert len(found["b"]["cells"]) == len(CELLS)
    assert "tensor 1.weight" in capsys.readouterr().err


@pytest.fixture
def checkpoints(
    subject: EvaluatedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Path]:
    monkeypatch.setattr(evaluating, "load_model", lambda path, device: subject.model)
    files = {name: tmp_path / f"{name}.safetensors" for name in ("a", "b")}
    for name, path in files.items():
        path.write_text(name)
    return files


CPU = torch.device("cpu")
DATA = {part: record(part) for part in ("train", "test", "v2")}


def test_each_set_is_opened_once_a_job(
    checkpoints: dict[str, Path], opened: list[Any], tmp_path: Path, capsys: Any
) -> None:
    inputs = {"name": "photos", "recipe": "clip", "size": 224, "threads": 2}
    data = {**DATA, "train": {**record("train"), "classes": ["n01", "n02"]}}
    found = evaluate_models(checkpoints, [OK, OK], PLAN, data, tmp_path, CPU, inputs=inputs)
    assert list(found) == ["a", "b"]
    given = {**inputs, "classes": ["n01", "n02"]}  # those of the training set, for all sets
    assert opened == [("train", "train", given), ("test", "test", given), ("v2", "test", given)]
    assert not set(found["a"]["cells"]) & set(found["b"]["cells"])
    lines = capsys.readouterr().err.splitlines()
    starts = [f"a: error {n} of 3: " for n in range(1, 4)]
    starts += [f"a: cell {n} of 7: " for n in range(1, 8)] + ["a: evaluated"]
    assert all(map(str.startswith, lines, starts))
    assert len(lines) == 2 * len(starts)


def test_published_errors_are_taken_and_their_data_left_alone(
    checkpoints: dict[str, Path], opened: list[Any], tmp_path: Path
) -> None:
    published = {"a": {"test": 0.25, "v2": 0.5, "train": 0.1, "sketch": 0.7}}
    data = {**DATA, "v2": record("v2", "get it"), "r": record("r", "get r")}
    found = evaluate_models(checkpoints, None, PLAN, data, tmp_path, CPU, published=published)
    assert found["a"]["missing"] == {"r": "get r"}
    assert found["b"]["missing"] == {"v2": "get it", "r": "get r"}
    assert [call[0] for call in opened] == ["train", "test"]  # the latter for b alone
    files = [tmp_path / f"{kind}.csv" for kind in "esb"]
    write_rows(found["a"], tmp_path / "a", PLAN.rows(), *files, evaluated="job.json")
    errors = read(tmp_path / "e.csv")
    assert column(errors, "part") == ["train", "test", "v2", "r"]
    assert column(errors, "source") == ["evaluated", "published", "published", ""]
    assert column(errors, "error")[1:] == ["0.25", "0.5", ""]
    assert column(errors, "data") == ["noise", "TEST", "V2", ""]
    assert column(errors, "examples") == ["40", "", "", ""]
    assert [bool(loss) for loss in column(errors, "loss")] == [True, False, False, False]
    assert column(errors, "status") == ["ok", "ok", "ok", "missing"]
    again = evaluate_models(
        checkpoints, None, PLAN, data, tmp_path, CPU, published={"a": {"test": 0.26, "v2": 0.5}}
    )
    assert [x == y for x, y in zip(again["a"]["errors"], found["a"]["errors"], strict=True)] == [
        *(True, False, True)
    ]


def test_without_training_data_no_cell_is_measured_and_each_says_why(
    checkpoints: dict[str, Path], opened: list[Any], tmp_path: Path, capsys: Any
) -> None:
    data = {**DATA, "train": record("train", "name it in data.imagenet.folder")}
    found = evaluate_models(checkpoints, None, PLAN, data, tmp_path, CPU)
    assert [call[0] for call in opened] == ["test", "v2"]
    assert found["a"]["cells"] == []
    files = [tmp_path / f"{kind}.csv" for kind in "esb"]
    write_rows(found["a"], tmp_path / "a", PLAN.rows(), *files, evaluated="job.json")
    errors, cells = read(tmp_path / "e.csv"), read(tmp_path / "s.csv")
    assert column(errors, "status") == ["ok", "ok", "missing"]
    assert column(cells, "cell") == [cell.id for cell in CELLS]
    assert {*column(cells, "status")} == {"missing"}
    assert {*column(cells, "reason")} == {"name it in data.imagenet.folder"}
    assert {*column(cells, "checkpoint")} == {sha256(checkpoints["a"])[:16]}
    assert "a: name it in data.imagenet.folder" in capsys.readouterr().err


MEASURED = replace(
    PLAN,
    measures=tuple(
        map(Measurement.parse, ("margin-p10", "fisher-rao", "geodesic-inv@0.1", "gradient-norm"))
    ),
)


def test_measures_are_rows_like_cells(
    subject: EvaluatedModel, opened: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cells that are there already are not computed again, nor then the measures."""
    _, before = written(evaluate(subject, PLAN, present(*SOME), OK), subject)
    asked: list[Cell] = []

    def without_cells(model: Any, data: Any, cells: list[Cell], *_: Any, **__: Any) -> Any:
        asked.extend(cells)
        return iter(())

    monkeypatch.setattr(measuring_module, "measure_cells", without_cells)
    found = evaluate(subject, MEASURED, present(*SOME), OK)
    _, rows = written(found, subject, MEASURED)
    assert rows[: len(before)] == before
    assert asked == []
    points = SETS["train"].subset(slice(0, 16))
    batches = list(zip(points.normalized().split(8), points.labels.split(8), strict=True))
    measures = {row["cell"]: row for row in rows[len(before) :]}
    assert list(measures) == [measurement.id for measurement in MEASURED.measures]
    for name in ("margin-p10", "fisher-rao", "gradient-norm"):
        assert float(measures[name]["value"]) == measure(subject.model, batches, name).value
        assert measures[name]["status"] == "ok"
    absent = measures["geodesic-inv@0.1"]
    assert (absent["value"], absent["status"]) == ("", "not applicable")
    assert "no attention" in absent["reason"]
    assert column([measures["fisher-rao"], absent], "steps") == ["", "3"]
    monkeypatch.setattr(measuring_module, "resident", None)
    assert evaluate(subject, MEASURED, present(*SOME), OK) == found


def test_a_revision_of_one_measure_computes_that_measure_alone(
    subject: EvaluatedModel, opened: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = evaluate(subject, MEASURED, present(*SOME), OK)["cells"]
    revised = {**measures(), "fisher-rao": replace(measures()["fisher-rao"], revision=2)}
    monkeypatch.setattr(measurement_module, "measures", lambda: revised)
    second = evaluate(subject, MEASURED, present(*SOME), OK)["cells"]
    changed = [place for place, (a, b) in enumerate(zip(first, second, strict=True)) if a != b]
    assert changed == [len(CELLS) + 1]
