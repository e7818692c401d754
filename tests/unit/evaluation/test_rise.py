"""Radii for models of the workflow, of measures that need attention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from evaluations import OK, images, record
from toys import VIT

from sharpness.evaluation import datasets as sets_module
from sharpness.evaluation import rise as rise_module
from sharpness.evaluation.datasets import EvalDatasets, first_points
from sharpness.evaluation.measuring import measure_plan
from sharpness.evaluation.plan import Plan
from sharpness.evaluation.radii import LEVELS
from sharpness.evaluation.rise import radii_of_known
from sharpness.io.errors import UserError
from sharpness.measures.measurement import Measurement
from sharpness.measures.micro_batch import MicroBatch
from sharpness.networks import build

CPU = torch.device("cpu")
WORD = "geodesic-inv@auto+folded"
PLAN = Plan((), 16, 8, 2, {}, 0, max_train_error=0.1)
NAMES = "abcde"
TRAINED = [{**OK, "train_error": 0.5}, *[OK] * 3, {**OK, "status": "failed", "reason": "diverged"}]


def model(path: str, _: torch.device) -> torch.nn.Module:
    """One network for each name."""
    with torch.random.fork_rng():
        torch.manual_seed(ord(path))
        return build(VIT).eval()


@pytest.fixture(autouse=True)
def _opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rise_module, "load_model", model)
    monkeypatch.setattr(sets_module, "load_dataset", lambda *_, **__: images(30, 5))


def found(
    records: list[dict[str, Any]] | None, reason: str = ""
) -> tuple[Mapping[str, Any], list[str]]:
    sets = EvalDatasets({"train": record("train", reason)})
    paths = {name: name for name in NAMES}
    radii, models = radii_of_known(paths, records, PLAN, [WORD], "paper", sets, CPU)
    return radii[WORD], models


def test_the_median_rise_of_the_first_models_that_are_measured() -> None:
    entry, models = found(TRAINED)
    assert models == ["b", "c", "d"]
    assert entry == found(TRAINED)[0]
    points = first_points(images(30, 5), PLAN.points)
    assert entry["radii"]
    for level in entry["levels"]:
        values = []
        for name in models:
            wanted = Measurement(WORD.partition("@")[0], level["low"], "folded")
            ((_, result),) = measure_plan(model(name, CPU), PLAN, points, [wanted], MicroBatch())
            assert not isinstance(result, UserError)
            values.append(result.value)
        assert sorted(values)[1] == pytest.approx(level["rise_low"], rel=1e-3)
        assert level["low"] <= level["radius"] * 1.05


def test_models_that_were_trained_elsewhere_all_count() -> None:
    assert found(None)[1] == ["a", "b", "c"]


def test_without_data_or_models_there_are_no_radii_and_a_reason() -> None:
    for records, why in (TRAINED, "no folder"), ([TRAINED[0]] * 5, "no model"):
        entry, models = found(records, why if why == "no folder" else "")
        assert (entry["radii"], entry["tried"], models) == ([], 0, [])
        assert [level["level"] for level in entry["levels"]] == [*LEVELS]
        assert all(why in level["reason"] for level in entry["levels"])


def test_a_model_with_a_nan_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def spoiled(path: str, device: torch.device) -> torch.nn.Module:
        found = model(path, device)
        if path in bad:
            with torch.no_grad():
                next(found.parameters()).view(-1)[0] = torch.nan
        return found

    monkeypatch.setattr(rise_module, "load_model", spoiled)
    bad = "b"
    entry, models = found([OK] * len(NAMES))
    assert models == ["a", "c"]
    assert entry["radii"]
    assert "b is left out of the search for radii: 1 of the" in capsys.readouterr().err
    bad = NAMES
    entry, models = found([OK] * len(NAMES))
    assert (entry["radii"], models) == ([], [])
    assert entry["levels"][0]["reason"] == "no model is measured"
