"""The table of own models from their checkpoints, and their evaluation beside given errors."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

from sharpness.evaluation.own import OpenParts, evaluate_own, median_rise, open_parts
from sharpness.evaluation.own_models import write_own_models
from sharpness.evaluation.plan import Plan
from sharpness.io.errors import UserError
from sharpness.io.files import read_json
from sharpness.measures.definition import Cell, Definition
from sharpness.measures.measurement import Measurement
from sharpness.sources import ADDED
from sharpness.sources.bring import bring
from sharpness.training.checkpoint import load, save

WIDTHS = {"a": 8, "b": 9, "c": 10, "d": 11}
CPU = torch.device("cpu")
DEFINITION = Definition.parse("average-l2-standard-rawlogits")
PLACES = {"cache": "none", "mirror": None, "offline": True}
CODE = """
import torch
from torch import nn

def net(width, num_classes=3):
    torch.manual_seed(int(width))
    return nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, num_classes))

def data(split="train"):
    generator = torch.Generator().manual_seed(len(split))
    inputs = torch.randn(48, 4, generator=generator)
    return torch.utils.data.TensorDataset(inputs, torch.arange(48) % 3)

def same():
    return data()

def none(split="train"):
    return []
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module of networks and data."""
    (tmp_path / "own_nets.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("own_nets", None)
    return tmp_path


def brought(folder: Path, name: str, width: int) -> Path:
    path = folder / f"{name}.safetensors"
    source = {"source": "own_nets:net", "arguments": {"width": width}}
    bring(name, source, 3, PLACES, path, {"standin": False}, inputs=None)
    return path


def opened(**data: str) -> OpenParts:
    titles = {**data, "old": "given"}
    return open_parts(data, {}, PLACES, titles=titles, labels=None, seed=0, most=40)


def plan() -> Plan:
    return Plan((Cell(DEFINITION, 0.1),), 32, 16, 2, {"paper": 3}, 0)


def test_models_are_written_with_origin_and_classes(here: Path) -> None:
    parameters: dict[str, dict[str, Any]] = {"a": {"width": 8}, "b": {"width": 16}}
    paths = [brought(here, name, own["width"]) for name, own in parameters.items()]
    write_own_models(parameters, paths, here / "models.csv")
    table = pd.read_csv(here / "models.csv")
    assert list(table.columns) == ["model", "width", *ADDED]
    assert set(table["data_classes"]) == {3}
    twice = [paths[0], brought(here, "b", 8)]
    with pytest.raises(UserError, match="b has the same weights as a, to the bit"):
        write_own_models(parameters, twice, here / "models.csv")
    with pytest.raises(UserError, match="its metadata has no 'weights'"):
        write_own_models({"a": {}}, [here / "own_nets.py"], here / "models.csv")


def test_own_models_are_evaluated(here: Path) -> None:
    paths = {name: brought(here, name, width) for name, width in {"a": 8, "b": 16}.items()}
    parts = opened(train="own_nets:data", test="own_nets:data")
    given = {"a": {"old": 0.25}}
    found = evaluate_own(paths, plan(), parts, here / "state", CPU, PLACES, given=given)
    rows = [read_json(here / "state" / "a" / name) for name in found["a"]["errors"]]
    assert [row["part"] for row in rows] == ["train", "test", "old"]
    assert [row.get("examples") for row in rows] == [40, 48, None]
    assert rows[2]["error"] == 0.25
    assert found["a"]["missing"] == {}
    assert found["b"]["missing"] == {"old": "no error is given in the table"}
    assert len(found["a"]["cells"]) == 1
    wrong = [row["error"] >= 2 / 3 for row in rows[:2]]
    assert len(found["a"]["warnings"]) == sum(wrong)


def test_distances_are_from_the_model_that_is_named(here: Path) -> None:
    paths = {name: brought(here, name, width) for name, width in list(WIDTHS.items())[:2]}
    moved = load_file(paths["a"])
    moved["2.bias"] += 2.0
    metadata = load(paths["a"])[1]
    paths["c"] = here / "c.safetensors"
    save(paths["c"], {name: torch.from_numpy(array) for name, array in moved.items()}, metadata)
    wanted = Plan((), 32, 16, 2, {}, 0, measures=(Measurement.parse("initial-distance"),))
    parts = opened(train="own_nets:data")
    found = evaluate_own(
        paths, wanted, parts, here / "state", CPU, PLACES, given={}, initial=paths["a"]
    )
    rows = {name: read_json(here / "state" / name / found[name]["cells"][0]) for name in paths}
    assert [rows[name]["value"] for name in paths] == [0.0, None, pytest.approx(12**0.5)]
    assert rows["b"]["status"] == "not applicable"
    assert "lack '0.weight', (9, 4)" in rows["b"]["reason"]


def test_checkpoints_keep_all_bits(here: Path) -> None:
    weights = load_file(brought(here, "a", 8))
    torch.manual_seed(8)
    first = nn.Linear(4, 8)
    assert (weights["0.weight"] == first.weight.detach().numpy()).all()


def test_the_median_rise_is_that_of_the_cells(here: Path) -> None:
    paths = {name: brought(here, name, width) for name, width in WIDTHS.items()}
    parts = opened(train="own_nets:data")
    rise = median_rise(paths, plan(), "paper", parts, CPU, PLACES)
    found = evaluate_own(paths, plan(), parts, here / "state", CPU, PLACES, given={})
    values = [read_json(here / "state" / n / found[n]["cells"][0])["value"] for n in "abc"]
    assert rise(DEFINITION, 0.1) == sorted(values)[1]


def test_an_empty_part_and_too_few_points_are_named(here: Path) -> None:
    with pytest.raises(UserError, match=r"own_nets:none: .*without examples"):
        opened(train="own_nets:data", test="own_nets:none")
    paths = {"a": brought(here, "a", 8)}
    many = Plan((Cell(DEFINITION, 0.1),), 64, 16, 2, {}, 0)
    with pytest.raises(UserError, match=r"has 40 training examples, sharpness\.points is 64"):
        evaluate_own(
            paths, many, opened(train="own_nets:data"), here / "state", CPU, PLACES, given={}
        )


def test_a_model_that_cannot_be_had_is_named(here: Path) -> None:
    with pytest.raises(UserError, match=r"^a: own_nets:gone: .*no function 'gone'"):
        bring("a", {"source": "own_nets:gone"}, 3, PLACES, here / "a", {}, inputs=None)


def test_a_function_without_splits_is_no_test_data(here: Path) -> None:
    data = dict.fromkeys(("train", "test"), "own_nets:same")
    with pytest.raises(UserError, match=r"data\.test: own_nets:same gives the training data"):
        open_parts(data, {}, PLACES, titles=data, labels=None, seed=0, most=9)
