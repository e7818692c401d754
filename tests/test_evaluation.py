"""Errors and cells of one model: right numbers, kept item by item, never computed twice."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

from sharpness import Cell, Definition, evaluation, sharpness
from sharpness.data.images import Images
from sharpness.errors import error_and_loss
from sharpness.evaluation import Subject, evaluate
from sharpness.files import sha256
from sharpness.plan import Plan
from sharpness.pool import Sources, assemble
from sharpness.problem import Problem
from sharpness.rows import write_rows

WORST = Definition("worst", "linf", adaptive=True, logit_norm=False)
AVERAGE = Definition("average", "l2", adaptive=False, logit_norm=False)
CELLS = (
    Cell(WORST, 0.01),
    Cell(WORST, 0.01, "released"),
    Cell(WORST, 0.01, m=4),
    Cell(WORST, 0.01, steps=5),
    Cell(AVERAGE, 0.1),
    Cell(AVERAGE, 0.1, "released"),
    Cell(AVERAGE, 0.1, data="augmented"),
)
PLAN = Plan(CELLS, 16, 8, 3, {"paper": 4, "released": 2}, 0, 0.01)
OK = {"status": "ok", "reason": "", "train_error": 0.0}


def images(count: int, seed: int) -> Images:
    stream = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (count, 1, 8, 8), generator=stream, dtype=torch.uint8)
    labels = torch.randint(0, 3, (count,), generator=stream)
    return Images(pixels, labels, (0.5,), (0.25,), False, "noise", 3)


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.Tanh(), nn.Linear(6, 3))
    checkpoint = tmp_path / "model.safetensors"
    checkpoint.write_bytes(b"weights")
    return Subject("model-000", model, checkpoint, tmp_path / "state", OK)


SETS = {"train": images(40, 1), "test": images(30, 2)}


def written(found, subject: Subject, plan: Plan = PLAN) -> tuple[list[dict], list[dict]]:
    folder = subject.state.parent
    found = {"missing": {"corrupted": "not here"}, **found}
    write_rows(found, subject.state, plan.rows(), folder / "errors.csv", folder / "cells.csv")
    tables = [csv.DictReader((folder / n).open()) for n in ("errors.csv", "cells.csv")]
    return list(tables[0]), list(tables[1])


def test_error_and_loss_by_hand(subject: Subject):
    found = SETS["test"]
    logits = subject.model(found.normalized())
    error, loss = error_and_loss(subject.model, found)
    assert error == (logits.argmax(1) != found.labels).double().mean().item()
    assert loss == pytest.approx(nn.functional.cross_entropy(logits, found.labels).item())


def test_logits_that_are_not_finite_are_errors(subject: Subject):
    nn.init.constant_(subject.model[3].bias, float("nan"))
    error, loss = error_and_loss(subject.model, SETS["test"])
    assert error == 1
    assert loss != loss


def test_rows_hold_what_the_library_measures(subject: Subject):
    errors, cells = written(evaluate(subject, PLAN, SETS), subject)
    points = SETS["train"].subset(slice(0, 16))
    batches = list(zip(points.normalized().split(8), points.labels.split(8), strict=True))
    alone = sharpness(subject.model, batches, WORST, 0.01, steps=3)
    assert float(cells[0]["value"]) == alone.value
    assert float(cells[0]["stderr"]) == alone.stderr
    released = sharpness(subject.model, batches, AVERAGE, 0.1, protocol="released", samples=2)
    assert float(cells[5]["value"]) == released.value
    assert cells[6]["value"] != cells[4]["value"]
    assert [c["cell"] for c in cells] == [c.id for c in CELLS]
    assert [c["m"] for c in cells] == ["8", "8", "4", "8", "8", "8", "8"]
    assert [c["steps"] for c in cells] == ["3", "3", "3", "5", "", "", ""]
    assert [c["samples"] for c in cells] == ["", "", "", "", "4", "2", "4"]
    assert {c["checkpoint"] for c in cells} == {sha256(subject.checkpoint)[:16]}
    assert [e["part"] for e in errors] == ["train", "test", "corrupted"]
    assert errors[2]["status"] == "missing"
    assert errors[2]["reason"] == "not here"


def test_finished_items_are_not_computed_again(subject: Subject, monkeypatch):
    first = written(evaluate(subject, PLAN, SETS), subject)
    monkeypatch.setattr(evaluation, "error_and_loss", None)
    asked = []

    def counting(model, data, cells, *args, **kwargs):
        asked.extend(cells)
        return iter(())

    monkeypatch.setattr(evaluation, "measured", counting)
    assert written(evaluate(subject, PLAN, SETS), subject) == first
    assert asked == []
    wider = replace(PLAN, cells=(*CELLS, Cell(WORST, 0.02)))
    evaluate(subject, wider, SETS)
    assert asked == [Cell(WORST, 0.02)]


def test_another_checkpoint_or_setting_is_another_item(subject: Subject):
    first = set(evaluate(subject, PLAN, SETS)["cells"])
    other = set(evaluate(subject, replace(PLAN, seed=1), SETS)["cells"])
    assert not first & other
    subject.checkpoint.write_bytes(b"other weights")
    assert not first & set(evaluate(subject, PLAN, SETS)["cells"])


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({**OK, "train_error": 0.026}, "training error 2.6 % is above 1 %"),
        ({"status": "diverged", "reason": "loss not finite in epoch 3"}, "loss not finite"),
    ],
)
def test_a_skipped_model_says_why(subject: Subject, record, reason):
    found = evaluate(replace(subject, record=record), PLAN, SETS)
    _, cells = written(found, subject)
    assert [c["cell"] for c in cells] == [c.id for c in CELLS]
    assert {c["status"] for c in cells} == {"skipped"}
    assert all(reason in c["reason"] and c["value"] == "" for c in cells)


def test_a_model_that_returns_nan_gives_rows_that_say_so(subject: Subject):
    nn.init.constant_(subject.model[3].bias, float("nan"))
    _, cells = written(evaluate(subject, PLAN, SETS), subject)
    assert {c["status"] for c in cells} == {"failed"}
    assert all("loss of the unperturbed model is nan" in c["reason"] for c in cells)


def test_a_lost_item_is_named(subject: Subject):
    found = evaluate(subject, PLAN, SETS)
    (subject.state / found["cells"][2]).unlink()
    with pytest.raises(Problem, match=rf"{found['cells'][2]}: this finished item is gone"):
        written(found, subject)


MODELS = pd.DataFrame([{"model": "model-000", "learning_rate": 0.1, "mixup": 1}])


def sources(subject: Subject) -> list[Sources]:
    folder = subject.state.parent
    paths = (folder / "errors.csv", folder / "cells.csv", subject.checkpoint)
    return [Sources("model-000", *paths)]


def test_the_pool_has_one_row_a_model(subject: Subject):
    errors, cells = written(evaluate(subject, PLAN, SETS), subject)
    table = assemble(MODELS, sources(subject), PLAN.rows())
    assert list(table.columns) == [
        *("model", "status", "reason", "learning_rate", "mixup"),
        *("error_train", "error_test", "error_corrupted", "gap"),
        *(cell.id for cell in CELLS),
    ]
    row = table.iloc[0]
    assert row["gap"] == float(errors[1]["error"]) - float(errors[0]["error"])
    assert row[CELLS[3].id] == float(cells[3]["value"])
    assert pd.isna(row["error_corrupted"])


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (replace(PLAN, cells=CELLS[:-1]), "7 cells, wanted are 6"),
        (replace(PLAN, seed=3), "seed of worst-linf-adaptive-rawlogits@0.01+paper is 0, wanted"),
        (replace(PLAN, steps=9), "steps of worst-linf-adaptive-rawlogits@0.01+paper is 3"),
    ],
)
def test_the_pool_refuses_stale_cells(subject: Subject, plan, words):
    written(evaluate(subject, PLAN, SETS), subject)
    with pytest.raises(Problem, match="rm ") as caught:
        assemble(MODELS, sources(subject), plan.rows())
    assert words in str(caught.value)


def test_the_pool_refuses_cells_of_another_checkpoint(subject: Subject):
    written(evaluate(subject, PLAN, SETS), subject)
    subject.checkpoint.write_bytes(b"other weights")
    with pytest.raises(Problem, match="it is of another checkpoint"):
        assemble(MODELS, sources(subject), PLAN.rows())
