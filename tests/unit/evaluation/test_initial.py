"""Initial weights: drawn again from a training's record, or read; and the rows that need them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import evaluations
import pytest
import torch
from evaluations import OK, SETS, column, record, written
from refusal import refused
from toys import RESNET, VIT

from sharpness.data.small import digits
from sharpness.evaluation import datasets as sets_module
from sharpness.evaluation import initial as initial_module
from sharpness.evaluation.evaluate import EvaluatedModel, evaluate, evaluate_models
from sharpness.evaluation.initial import InitialWeights
from sharpness.measures.measurement import Measurement
from sharpness.networks import build
from sharpness.training.checkpoint import load_model, save
from sharpness.training.hyperparameters import Hyperparameters, Training
from sharpness.training.loop import train_model
from sharpness.training.records import Task

CPU = torch.device("cpu")
WORDS = ("weight-norm", "initial-distance", "frobenius-distance", "spectral-distance")
PLAN = replace(evaluations.PLAN, cells=(), measures=tuple(map(Measurement.parse, WORDS)))
SOME = {part: record(part) for part in SETS}


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets_module, "load_dataset", lambda name, *_, **__: SETS[name])


def saved(path: Path, index: int) -> dict[str, torch.Tensor]:
    """Write a checkpoint of drawn weights; return them."""
    drawn = InitialWeights.of_training({"seed": 9, "index": index, "architecture": VIT})
    weights = dict(drawn.weights)
    save(path, weights, {"architecture": VIT})
    return weights


def distance(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> float:
    moved = [one[name].double() - other[name].double() for name, _ in build(VIT).named_parameters()]
    return float(torch.cat([each.flatten() for each in moved]).norm())


@pytest.mark.parametrize("architecture", [RESNET, VIT], ids=lambda each: str(each["name"]))
def test_they_are_those_of_the_training_to_the_bit(
    architecture: dict[str, Any], tmp_path: Path
) -> None:
    """A learning rate of 0 leaves all parameters where they started."""
    still = Hyperparameters(learning_rate=0.0, sam_rho=0.05, mixup=True, augment=True)
    task = Task(3, 5, architecture, still, Training(epochs=1, batch_size=32))
    trained = train_model(task, digits("train").subset(slice(0, 64)), tmp_path)
    said = json.loads(json.dumps(trained.record))
    drawn = InitialWeights.of_training(said)
    found = drawn.weights
    assert found.keys() == trained.weights.keys()
    for name, _ in build(architecture).named_parameters():
        assert found[name].dtype == torch.float32
        assert torch.equal(found[name], trained.weights[name]), name
    others = [InitialWeights.of_training({**said, key: 4}) for key in ("seed", "index")]
    assert len({drawn.digest, *(other.digest for other in others)}) == 3
    matrices = [name for name, weight in found.items() if weight.ndim > 1]
    assert not any(
        torch.equal(found[name], other.weights[name]) for name in matrices for other in others
    )


def test_each_model_of_a_sweep_has_its_own(tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.safetensors" for name in ("a", "b")}
    weights = {name: saved(path, place) for place, (name, path) in enumerate(files.items())}
    records = [{**OK, "index": index, "architecture": VIT} for index in (1, 2)]
    found = evaluate_models(files, records, PLAN, SOME, tmp_path, CPU)
    for name, said in zip(files, records, strict=True):
        subject = EvaluatedModel(name, load_model(files[name]), files[name], tmp_path / name)
        (_, row, *_) = written(found[name], subject, PLAN)[1]
        start = InitialWeights.of_training(said)
        assert row["initial_digest"] == start.digest
        assert float(row["value"]) == pytest.approx(
            distance(weights[name], start.weights), rel=1e-12
        )


def test_other_initial_weights_make_other_items_of_distances_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"a": tmp_path / "a.safetensors"}
    weights, base = saved(files["a"], 0), tmp_path / "base.safetensors"
    plan = replace(PLAN, initial="base")

    def measured(initial: Path | None) -> list[str]:
        found = evaluate_models(files, None, plan, SOME, tmp_path, CPU, initial=initial)
        return list(found["a"]["cells"])

    unknown = measured(None)
    subject = EvaluatedModel("a", load_model(files["a"]), files["a"], tmp_path / "a")
    _, rows = written(evaluate_models(files, None, plan, SOME, tmp_path, CPU)["a"], subject, plan)
    assert column(rows, "status") == ["ok", *["not applicable"] * 3]
    assert {*column(rows[1:], "reason")} == {"the initial weights are not known"}
    assert column(rows, "initial") == ["", "base", "base", "base"]
    for index in (1, 2):
        start = saved(base, index)
        found = measured(base)
        assert found[0] == unknown[0]
        assert not set(found[1:]) & set(unknown)
        _, rows = written(
            {"skipped": "", "parts": [], "errors": [], "missing": {}, "cells": found},
            subject,
            plan,
        )
        assert float(rows[1]["value"]) == pytest.approx(distance(weights, start), rel=1e-12)
        unknown += found[1:]
    monkeypatch.setattr(initial_module, "load", None)  # finished items need no weights
    assert measured(base) == [unknown[0], *unknown[-3:]]


def test_a_damaged_checkpoint_stops_the_job_and_fails_no_measure(tmp_path: Path) -> None:
    files, base = {"a": tmp_path / "a.safetensors"}, tmp_path / "base.safetensors"
    saved(files["a"], 0)
    saved(base, 1)
    base.write_bytes(base.read_bytes()[:1000])
    with refused(f"{base}: not a whole safetensors file", "make it again"):
        evaluate_models(files, None, PLAN, SOME, tmp_path, CPU, initial=base)
    assert not [*tmp_path.glob("a/cell-*.json")]


def test_weights_are_had_only_where_a_measure_needs_them(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    saved(path, 0)

    def fail() -> dict[str, torch.Tensor]:
        raise AssertionError

    subject = EvaluatedModel(
        "a", load_model(path), path, tmp_path / "a", InitialWeights("digest", fail)
    )
    plan = replace(PLAN, measures=PLAN.measures[:1])
    assert len(evaluate(subject, plan, sets_module.EvalDatasets(SOME))["cells"]) == 1
    with pytest.raises(AssertionError):
        evaluate(subject, PLAN, sets_module.EvalDatasets(SOME))
