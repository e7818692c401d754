"""One row a model: errors, gaps and cells, what is left out, and what is refused."""

from __future__ import annotations

import csv
import json
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from evaluations import CELLS, PLAN, SETS, made_subject, record, written
from safetensors.numpy import save_file

from sharpness.evaluation import datasets as sets_module
from sharpness.evaluation.datasets import EvalDatasets
from sharpness.evaluation.evaluate import EvaluatedModel, evaluate
from sharpness.evaluation.guard import ModelFiles, check_conversions, check_trainings
from sharpness.evaluation.plan import Plan
from sharpness.evaluation.results import assemble, write_per_batch
from sharpness.io.errors import UserError
from sharpness.io.files import write_frame, write_json
from sharpness.statistics.correlation import read_pool
from sharpness.training.hyperparameters import Space, draw_hyperparameters
from sharpness.training.records import KEY


@pytest.fixture
def subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EvaluatedModel:
    monkeypatch.setattr(sets_module, "load_dataset", lambda name, *_, **__: SETS[name])
    return made_subject(tmp_path)


def evaluated(
    subject: EvaluatedModel, plan: Plan = PLAN, **missing: str
) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Its files, written; parts are train and test and those that are missing."""
    data = {part: record(part, missing.get(part, "")) for part in ("train", "test", *missing)}
    sets = EvalDatasets(data)
    return written({**evaluate(subject, plan, sets), "missing": sets.missing}, subject, plan)


AGAIN = "remove it and run again: rm -rf"
MODELS = pd.DataFrame([{"model": "model-000", "learning_rate": 0.1, "mixup": 1}])


TITLES = dict.fromkeys(("train", "test"), "noise")


def sources(subject: EvaluatedModel) -> list[ModelFiles]:
    home = subject.state.parent
    paths = (home / kind / "model-000.csv" for kind in ("errors", "sharpness", "per_batch"))
    return [ModelFiles("model-000", *paths, subject.checkpoint)]


def assembled(
    subject: EvaluatedModel, plan: Plan = PLAN, limit: float | None = None, **titles: str
) -> pd.DataFrame:
    """The table of its pool; titles are of parts beside train and test."""
    return assemble(MODELS, sources(subject), plan.rows(), TITLES | titles, limit)


def test_the_pool_has_one_row_a_model(subject: EvaluatedModel) -> None:
    errors, cells = evaluated(subject, corrupted="not here")
    table = assembled(subject, corrupted="digits-c")
    assert list(table.columns) == [
        *("model", "status", "reason", "learning_rate", "mixup"),
        *("error_train", "error_test", "error_corrupted", "loss_train", "examples_test"),
        *("gap", "gap_corrupted"),
        *(cell.id for cell in CELLS),
    ]
    row = table.iloc[0]
    assert row["gap"] == float(errors[1]["error"]) - float(errors[0]["error"])
    assert row["loss_train"] == float(errors[0]["loss"])
    assert row["examples_test"] == int(errors[1]["examples"])
    assert row[CELLS[3].id] == float(cells[3]["value"])
    assert pd.isna(row["error_corrupted"])
    assert pd.isna(row["gap_corrupted"])
    assert row["status"] == "ok"


def test_every_error_but_that_of_training_has_its_gap(subject: EvaluatedModel) -> None:
    evaluated(subject)
    path = sources(subject)[0].errors
    errors = pd.read_csv(path)
    more = errors.iloc[[1, 1]].assign(part=["v2", "r"], error=[0.75, 0.875])
    pd.concat([errors.assign(error=[0.25, 0.5]), more]).to_csv(path, index=False)
    table = assembled(subject, v2="noise", r="noise")
    assert list(table.columns[5:14]) == [
        *("error_train", "error_test", "error_v2", "error_r"),
        *("loss_train", "examples_test", "gap", "gap_v2", "gap_r"),
    ]
    assert table.loc[0, ["gap", "gap_v2", "gap_r"]].tolist() == [0.25, 0.5, 0.625]


def test_without_training_data_there_are_errors_and_no_gap(subject: EvaluatedModel) -> None:
    errors, _ = evaluated(subject, train="get it")
    table = assembled(subject)
    row = table.iloc[0]
    assert (row["status"], row["reason"]) == ("missing", "get it")
    assert row["error_test"] == float(errors[0]["error"])
    assert pd.isna(row[["error_train", "gap", *(cell.id for cell in CELLS)]].astype(float)).all()


def test_a_model_that_is_too_wrong_is_excluded_by_rule(subject: EvaluatedModel) -> None:
    errors, _ = evaluated(subject)
    path = sources(subject)[0].errors
    found = float(errors[1]["error"])
    kept = assembled(subject, limit=found)
    assert kept.loc[0, "status"] == "ok"
    pd.read_csv(path).assign(error=[0.5, 0.9989]).to_csv(path, index=False)
    table = assembled(subject, limit=0.95)
    row = table.iloc[0]
    assert row["status"] == "excluded"
    assert row["reason"] == "test error 99.9 % is above 95 %"
    assert row[["error_test", "gap"]].tolist() == [0.9989, pytest.approx(0.4989)]
    assert table[[cell.id for cell in CELLS]].isna().all(axis=None)
    assert batches(subject, table) == []
    assert assembled(subject).loc[0, "status"] == "ok"


def batches(subject: EvaluatedModel, table: pd.DataFrame) -> list[dict[str, str]]:
    """The rows of ``per_batch.csv``."""
    path = subject.state.parent / "per_batch.csv"
    write_per_batch(table, sources(subject), path)
    with path.open() as stream:
        return list(csv.DictReader(stream))


def test_the_mean_over_batches_is_the_value_of_every_cell(subject: EvaluatedModel) -> None:
    _, cells = evaluated(subject)
    found: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for row in batches(subject, assembled(subject)):
        assert (row["model"], int(row["batch"])) == ("model-000", len(found[row["cell"]]))
        found[row["cell"]].append((int(row["examples"]), float(row["value"])))
    assert list(found) == [cell["cell"] for cell in cells]
    for cell in cells:
        rows = found[cell["cell"]]
        assert sum(examples for examples, _ in rows) == int(cell["points"])
        assert {examples for examples, _ in rows} == {int(cell["m"])}
        mean = math.fsum(examples * value for examples, value in rows) / int(cell["points"])
        assert mean == pytest.approx(float(cell["value"]), rel=1e-12)


@pytest.mark.parametrize("text", ["cell,batch\n", ""])
def test_a_table_of_batches_that_is_none_is_refused(subject: EvaluatedModel, text: str) -> None:
    evaluated(subject)
    table = assembled(subject)
    sources(subject)[0].per_batch.write_text(text)
    with pytest.raises(UserError, match=r"per_batch/model-000.csv: is no table"):
        batches(subject, table)


def test_what_is_written_is_what_figures_read(subject: EvaluatedModel, tmp_path: Path) -> None:
    evaluated(subject, v2="not here")
    table = assembled(subject, limit=0.999, v2="noise")
    write_frame(tmp_path / "pool.csv", table)
    again = read_pool(tmp_path / "pool.csv")
    assert list(again.columns) == list(table.columns)
    pd.testing.assert_frame_equal(again, table, check_dtype=False, rtol=1e-8)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (replace(PLAN, cells=CELLS[:-1]), "7 cells, wanted are 6"),
        (replace(PLAN, seed=3), "seed of worst-linf-adaptive-rawlogits@0.01+paper is 0, wanted"),
        (replace(PLAN, steps=9), "steps of worst-linf-adaptive-rawlogits@0.01+paper is 3"),
        (
            replace(PLAN, cells=tuple(c for c in CELLS if c.protocol == "paper")),
            "cell of worst-linf-adaptive-rawlogits@0.01+paper+m4 is worst-linf-adaptive-"
            "rawlogits@0.01+released",
        ),
    ],
)
@pytest.mark.parametrize("missing", [{}, {"train": "get it"}])
def test_the_pool_refuses_stale_cells(
    subject: EvaluatedModel, plan: Plan, words: str, missing: dict[str, str]
) -> None:
    evaluated(subject, **missing)
    home = subject.state.parent
    remake = f"rm -rf {home}/evaluated {home}/errors {home}/sharpness {home}/per_batch"
    with pytest.raises(UserError, match=f"{remake}$") as caught:
        assembled(subject, plan)
    assert words in str(caught.value)


def test_the_pool_refuses_what_is_of_other_models(subject: EvaluatedModel, tmp_path: Path) -> None:
    evaluated(subject)
    with pytest.raises(UserError, match=r"models.csv: its models are not .* rm -rf \S+models.csv$"):
        assemble(MODELS.assign(model="model-001"), sources(subject), PLAN.rows(), TITLES)
    (one,) = sources(subject)
    other = tmp_path / "other.csv"
    other.write_text(one.sharpness.read_text().replace(",cpu,", ",cuda,"))
    pair = [one, replace(one, name="model-001", sharpness=other)]
    models = pd.DataFrame([{"model": "model-000"}, {"model": "model-001"}])
    with pytest.raises(UserError, match=r"was measured on cpu, .* on cuda"):
        assemble(models, pair, PLAN.rows(), TITLES)
    subject.checkpoint.write_bytes(b"other weights")
    with pytest.raises(UserError, match="it is of another checkpoint"):
        assembled(subject)
    subject.checkpoint.write_bytes(b"weights")
    pd.read_csv(one.errors).assign(revision=1).to_csv(one.errors, index=False)
    with pytest.raises(UserError, match=r"errors/model-000.csv: revision is 1, wanted is 2; "):
        assembled(subject)


@pytest.mark.parametrize(
    ("titles", "words"),
    [
        ({"test": "digits"}, "data.test is noise, wanted is digits"),
        ({"v2": "noise"}, r"parts is \['test', 'train'\], wanted is \['test', 'train', 'v2'\]"),
    ],
)
def test_the_pool_refuses_errors_on_other_data(
    subject: EvaluatedModel, titles: dict[str, str], words: str
) -> None:
    evaluated(subject)
    with pytest.raises(UserError, match=f"errors/model-000.csv: {words}; .* rm -rf "):
        assembled(subject, **titles)


SPACE = {"learning_rate": (0.05, 5.0), "sam_rho": [0.0, 0.1], "mixup": 0.5, "augment": 0.5}
SWEEP: dict[str, Any] = {
    "seed": 0,
    "space": SPACE,
    "architecture": {"name": "preact-resnet", "width": 4},
    "settings": {"epochs": 2, "batch_size": 250},
    "data": {"title": "digits"},
    "revision": 1,
}
CONVERTED: dict[str, Any] = {
    "source": "https://publisher.example/a.npz",
    "format": "augreg",
    "standin": False,
    "architecture": {"name": "vit", "depth": 2},
    "hyperparameters": {"lr": 0.1},
    "revision": 1,
}


def weights(home: Path, name: str, said: Mapping[str, Any]) -> ModelFiles:
    """A model whose checkpoint says what it is."""
    path = home / "checkpoints" / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"w": np.zeros(1)}, path, metadata={KEY: json.dumps(said)})
    return ModelFiles(name, *[home / "x" / f"{name}.csv"] * 3, path)


def check_sweep(home: Path, change: Mapping[str, Any], **other: Any) -> None:
    """Compare two models of ``SWEEP``, whose records say other things, with a changed sweep."""
    sources, records = [], []
    for index, name in enumerate(("model-000", "model-001")):
        record = {"index": index, "digest": f"d{index}", **SWEEP, "status": "ok", "reason": ""}
        record |= {
            "train_error": 0.0,
            "hyperparameters": asdict(draw_hyperparameters(0, index, Space(**SPACE))),
        }
        del record["revision"]  # as in records of before it was written
        records.append(home / "training" / f"{name}.json")
        write_json(records[-1], record | other)
        sources.append(weights(home, name, {"training": f"d{index}"}))
    check_trainings(sources, records, {**SWEEP, **change})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"settings": {"epochs": 3, "batch_size": 250}}, "settings.epochs is 2, wanted is 3"),
        ({"architecture": {"width": 5}}, "architecture.width is 4, wanted is 5"),
        ({"data": {"title": "CIFAR-10"}}, "data.title is digits, wanted is CIFAR-10"),
        ({"seed": 1}, "seed is 0, wanted is 1"),
        ({"revision": 2}, "revision is 1, wanted is 2"),
        ({"space": SPACE | {"sam_rho": [9.0]}}, "hyperparameters.sam_rho is 0.1, wanted is 9.0"),
    ],
)
def test_the_pool_refuses_other_trainings(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    check_sweep(tmp_path, {})
    names = ("models.csv", "trained", "training", "checkpoints")
    gone = " ".join(f"{tmp_path}/{name}" for name in names)
    with pytest.raises(UserError) as caught:
        check_sweep(tmp_path, change)
    assert str(caught.value) == f"{tmp_path}/training/model-000.json: {words}; {AGAIN} {gone}"


def test_the_pool_refuses_records_and_weights_of_other_models(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model-001.json: index is 0, wanted is 1; "):
        check_sweep(tmp_path, {}, index=0)
    with pytest.raises(UserError, match=r"model-000.safetensors: training is d0, wanted is new; "):
        check_sweep(tmp_path, {}, digest="new")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "soups"}, "format is augreg, wanted is soups"),
        ({"hyperparameters": {"lr": 0.2}}, "hyperparameters.lr is 0.1, wanted is 0.2"),
        ({"source": "a.npz"}, "source is https://publisher.example/a.npz, wanted is a.npz"),
        ({"revision": 2}, "revision is 1, wanted is 2"),
        ({"standin": True}, "standin is False, wanted is True"),
    ],
)
@pytest.mark.parametrize("whole", [False, True])
def test_the_pool_refuses_other_conversions(
    tmp_path: Path, change: dict[str, Any], words: str, whole: bool
) -> None:
    home = tmp_path / "pool"
    models = [weights(home, name, CONVERTED) for name in "ab"]
    check_conversions(models, dict.fromkeys("ab", CONVERTED))
    changed = {**CONVERTED, **change}
    gone = [home / "models.csv", home / "checkpoints" if whole else models[1].checkpoint]
    gone += [tmp_path / "standin" / "pool.csv"] if changed["standin"] else []
    with pytest.raises(UserError) as caught:
        check_conversions(models, {"a": changed if whole else CONVERTED, "b": changed})
    first = models[0 if whole else 1].checkpoint
    assert str(caught.value) == f"{first}: {words}; {AGAIN} {' '.join(map(str, gone))}"
    models[0].checkpoint.write_bytes(b"none")
    with pytest.raises(UserError, match=r"a.safetensors: source is None, wanted is https"):
        check_conversions(models[:1], {"a": CONVERTED})


@pytest.mark.parametrize("digest", ["12e4567890123456", "0000000000000001"])
def test_a_digest_that_looks_like_a_number_stays_a_word(
    subject: EvaluatedModel, monkeypatch: pytest.MonkeyPatch, digest: str
):
    monkeypatch.setattr("sharpness.evaluation.evaluate.sha256", lambda path: digest + "0" * 48)
    monkeypatch.setattr("sharpness.evaluation.guard.sha256", lambda path: digest + "0" * 48)
    evaluated(subject)
    assert assembled(subject)["status"].tolist() == ["ok"]
