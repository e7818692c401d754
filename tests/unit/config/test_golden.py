"""What names stored results: settings under the same names and in the same order as ever.

Snakemake plans a job anew where ``repr`` of its params differs, and states are found by digests of
their settings. A name or an order that changes costs users what they have computed.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from sharpness.checkpoints.table import read_table
from sharpness.config import validated
from sharpness.data.small import digits
from sharpness.evaluation.plan import Plan
from sharpness.io.files import digest
from sharpness.mini.trainer import seed
from sharpness.studies.hammoud.procedures import procedure_of
from sharpness.studies.wen.training import Training as WenTraining
from sharpness.training.hyperparameters import Hyperparameters, Training
from sharpness.training.records import Task

ROOT = Path(__file__).parents[3]


def name_of(params: Any) -> str:
    return hashlib.sha256(repr(params).encode()).hexdigest()[:16]


@pytest.fixture
def mini() -> Any:
    return validated(yaml.safe_load((ROOT / "config.yaml").read_text()))


def test_a_plan_and_its_cells(mini: Any) -> None:
    """A pool that asks for no measures has the plan that it had before there were any."""
    for pool in mini.pools.values():
        assert pool.sharpness.measures
        pool.sharpness.measures.clear()
    found = {pool: settings.plan(["paper", "released"]) for pool, settings in mini.pools.items()}
    plan = found["cifar10-resnet18"]
    assert list(plan) == [
        *("cells", "points", "m", "steps", "samples", "seed", "max_train_error"),
        "augment_operations",
    ]
    fixed = {"points": 64, "m": 16, "steps": 5, "samples": {"paper": 10}, "seed": 0}
    added = ("restarts", "samples")
    before = [cell for cell in plan["cells"] if not any(word in cell for word in added)]
    parsed = Plan.parse({"cells": before, **fixed})
    assert digest(parsed.rows()) == "ade2ddcc41aeac48"
    assert name_of(list(found["clip-soups"])) == "12bc93cc47781139"


@pytest.mark.parametrize(("key", "value"), [("precision", "mixed"), ("compile", True)])
def test_a_plan_has_what_is_not_the_default(key: str, value: object) -> None:
    raw = yaml.safe_load((ROOT / "config.yaml").read_text())
    raw["pools"]["clip-soups"]["sharpness"][key] = value
    plans = {name: pool.plan(["paper"]) for name, pool in validated(raw).pools.items()}
    found = {name: plan.get(key) for name, plan in plans.items()}
    assert found == {**dict.fromkeys(plans), "clip-soups": value}


def test_a_training() -> None:
    architecture = {"name": "simple-vit", "patch_size": 4, "dim": 32, "classes": 10}
    drawn = Hyperparameters(learning_rate=0.1, sam_rho=0.05, mixup=True, augment=False)
    task = Task(0, 3, architecture, drawn, Training(epochs=80))
    assert task.digest(digits("train")) == "2391381f5ef77ebb"
    assert name_of(Training().model_dump()) == "36126e437066f715"


def test_a_member_of_a_published_pool(mini: Any) -> None:
    (member, *_) = read_table(ROOT / "resources" / "pools" / "augreg-i1k.csv")
    assert name_of([asdict(member)]) == "dd89ef83b76d706e"
    networks = {pool: mini.pools[pool].architecture.model_dump() for pool in mini.pools}
    assert name_of(networks) == "fdf53cdcbdd9725f"
    assert seed("augreg", 1) == 5499694836877829138


def test_the_small_studies(mini: Any) -> None:
    kinds = ("fcnn", "lenet", "gat")
    procedures = [asdict(procedure_of(kind, "text", {})) for kind in kinds]
    assert name_of(procedures) == "a62e800bad50e473"
    runs = mini.simple.two_layer_relu.catalogue.runs
    assert name_of([run.model_dump(mode="json") for run in runs]) == "654468014e96da89"
    assert WenTraining(runs[0], 1, "default").name == "no-bias-gd-1-d2117fa3046a5062"
