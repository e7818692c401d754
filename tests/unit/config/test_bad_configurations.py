"""Bad configurations: one line each, with the key and its value or the nearest name."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sharpness.config import schema, validated
from sharpness.config.schema import FOLDERS
from sharpness.io.errors import UserError

ROOT = Path(__file__).parents[3]
DEFAULT = json.loads(json.dumps(yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))))
GONE = object()  # in the place of a value: the key is taken out

R, V = "pools.cifar10-resnet18", "pools.cifar10-vit"
A, S, B = "pools.augreg-i1k", "pools.clip-soups", "pools.feather-berts"
WORST = f"{R}.sharpness.radii.worst-linf-adaptive-normlogits"
SMALL = "simple.small_networks"
FCNN = f"{SMALL}.networks.fcnn"
AUGMENTED = {"definition": "average-l2-standard-rawlogits", "radii": [1], "data": ["augmented"]}
LOOP: list[Any] = []
LOOP.append(LOOP)

# The key that is set, its value, what the line begins with, and a word of what follows.
CASES: list[tuple[str, Any, str, str]] = [
    # keys that there are not, or that must be there
    ("scal", "x", "scal", "'scale'"),
    ("data.cifar", {}, "data.cifar", "'cifar10'"),
    (f"{FCNN}.procedures.text.presets", "text", f"{FCNN}.procedures.text.presets", "'preset'"),
    (f"{R}.titel", "x", f"{R}.titel", "'title'"),
    (f"{V}.sweep.mixupp", 0.5, f"{V}.sweep.mixupp", "'mixup'"),
    (f"{A}.architecture.dept", 3, f"{A}.architecture.dept", "'depth'"),
    ("scale", GONE, "scale", "required"),
    (f"{V}.sweep.learning_rate", GONE, f"{V}.sweep.learning_rate", "required"),
    ("pools.mine", {"title": "mine"}, "pools.mine.kind", ""),
    # values of another type, or out of range
    ("scale", False, "scale: False", "string"),  # YAML takes no for false
    ("offline", "yes", "offline: 'yes'", "boolean"),
    (WORST, LOOP, f"{WORST}.0: [[", "number"),
    (f"{R}.sweep.learning_rate", ["low", 1], f"{R}.sweep.learning_rate.0: 'low'", "number"),
    ("results", "x" * 100 + "{", "results: 'xxx", "..."),
    (f"{R}.sweep.models", 10**12, f"{R}.sweep.models: 1000000000000", "100000"),
    (f"{R}.sweep.sam_rho", [0, float("nan")], f"{R}.sweep.sam_rho.1: nan", "finite"),
    (f"{R}.sweep.learning_rate", [5, 0.1], f"{R}.sweep.learning_rate: [5, 0.1]", "above"),
    (f"{R}.training.momentum", 1, f"{R}.training.momentum: 1", "less than 1"),
    (f"{R}.architecture.blocks", [2, 0], f"{R}.architecture.blocks.1: 0", "greater than 0"),
    (WORST, [], f"{WORST}: []", "at least 1"),
    (WORST, ["-1e-3"], f"{WORST}.0: -0.001", "greater than 0"),
    (WORST, [2, 1, 2.0], f"{WORST}: [2, 1, 2.0]", "more than once"),
    (WORST, [0.1000000000001], f"{WORST}.0: 0.1000000000001", "12 digits"),
    # words that there are not
    ("device", "gpu", "device: 'gpu'", "did you mean 'cpu'?"),
    (f"{R}.kind", "sweeps", f"{R}.kind", "did you mean 'sweep'?"),
    (f"{R}.architecture.name", "resnet", f"{R}.architecture.name", "'preact-resnet'"),
    (f"{R}.data.train", "cifar", f"{R}.data.train: 'cifar'", "did you mean 'cifar10'?"),
    (f"{WORST[:-1]}", [1], WORST[:-1], f"did you mean '{WORST.split('.')[-1]}'?"),
    (f"{R}.subgroups", ["mix_up"], f"{R}: subgroups: 'mix_up'", "did you mean 'mixup'?"),
    (f"{FCNN}.procedures.mine", {"preset": "code", "overrides": {"minibatch": True}},
     f"{SMALL}: networks.fcnn.procedures.mine: overrides.minibatch", "'minibatches'"),
    # names and places
    ("scale", "a/b", "scale: 'a/b'", "pattern"),
    ("pools.line\nbreak", {}, "pools.line\\nbreak", "pattern"),
    ("pools.data", R, "pools.data", "folder"),
    ("pools", {"none": None}, "pools", "at least 1"),
    ("data.cifar10", {"file": "x", "folder": "y"}, "data.cifar10", "one copy"),
    ("data.mnli", {"holdout": "x"}, "data.mnli.holdout", "imagenet"),
    ("simple.two_layer_relu.runs", "none.yaml", "simple.two_layer_relu.runs: none.yaml", ""),
    (f"{A}.checkpoints.models", "none.csv", f"{A}: none.csv", "No such file"),
    # settings that do not fit each other
    (f"{A}.checkpoints.take", 57, A, "take is 57, but the table has 56"),
    (f"{S}.checkpoints.initial", "model_72", S, "initial: 'model_72': is no model of"),
    (f"{A}.checkpoints.format", "bert", A, "'bert' holds bert, not vit"),
    (f"{A}.sharpness.max_train_error", 0.1, A, "max_train_error is for sweeps"),
    (f"{R}.data.test", GONE, R, "data lacks 'test'"),
    (f"{R}.data", {"train": "mnli", "test": "mnli"}, f"{R}: data.train", "no sweep"),
    (f"{R}.data.corrupted", "cifar10-c", f"{R}: data.corrupted: 'cifar10-c'", "'digits'"),
    (f"{R}.data.train", "digits-c", f"{R}: data.train: 'digits-c'", "no training examples"),
    (f"{A}.data", {"train": "mnli", "test": "mnli"}, f"{A}: data.train: 'mnli'", "vit"),
    (f"{A}.inputs", None, f"{A}: inputs", "photos"),
    (f"{B}.inputs", {"name": "photos", "recipe": "clip"}, f"{B}: inputs", "tokens"),
    (f"{A}.inputs.size", 16, f"{A}: inputs.size: 16", "image_size is 8"),
    (f"{B}.inputs.length", 64, f"{B}: inputs.length: 64", "positions is 32"),
    (f"{B}.architecture.classes", 2, f"{B}: architecture.classes: 2", "3 classes"),
    (f"{A}.architecture.patch_size", 3, A, "patch_size 3 does not divide an image of 8"),
    (f"{V}.architecture.patch_size", 3, V, "patch_size 3 does not divide an image of 8"),
    (f"{S}.architecture.heads", 5, S, "heads is 5, which does not divide dim, 24"),
    (f"{V}.architecture.dim", 30, V, "dim is 30"),
    (f"{A}.sharpness.ablations", {"a": AUGMENTED}, f"{A}: sharpness.ablations.a.data", "photos"),
    (f"{R}.sharpness.m", 50, f"{R}.sharpness: m: 50", "64 points"),
    (f"{R}.sharpness.ablations.m.m", [48], f"{R}.sharpness: ablations.m.m: 48", "64 points"),
    (f"{R}.sharpness.points", 2048, f"{R}.sharpness.points: 2048", "digits has 1000"),
    (f"{B}.sharpness.points", 2048, f"{B}.sharpness.points: 2048", "sample.examples"),
    (f"{FCNN}.examples", 5000, f"{SMALL}: networks.fcnn.examples: 5000", "4177"),
    (f"{SMALL}.networks.gat.examples", 5, f"{SMALL}: networks.gat.examples: 5", "null"),
    (f"{FCNN}.procedures.text.overrides", {"rho": 0.1}, SMALL, "fcnn.procedures.text"),
]  # fmt: skip


def changed(path: str, value: Any) -> dict[str, Any]:
    """The default configuration with one key set; the name of a pool stands for a copy of it."""
    raw = copy.deepcopy(DEFAULT)
    if value == R:
        value = copy.deepcopy(raw["pools"]["cifar10-resnet18"])
    inner, keys = raw, path.split(".")
    for key in keys[:-1]:
        inner = inner.setdefault(key, {})
    if value is GONE:
        del inner[keys[-1]]
    else:
        inner[keys[-1]] = value
    return raw


def refused(raw: Any) -> str:
    with pytest.raises(UserError) as caught:
        validated(raw)
    message = str(caught.value)
    assert message.isprintable()
    return message


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[3]}"[:60])
def test_a_bad_configuration_is_one_line(case: tuple[Any, ...], monkeypatch: Any) -> None:
    monkeypatch.chdir(ROOT)
    path, value, start, words = case
    message = refused(changed(path, value))
    assert message.startswith(f"configuration: {start}")
    assert words in message.removeprefix(f"configuration: {start}")


@pytest.mark.parametrize("raw", [{}, {1: 2}, {"pools": None}, {None: {}}, []])
def test_hardly_a_configuration(raw: Any) -> None:
    refused(raw)


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("results", "./results/", "results"),
        ("mirror", "/not/there/yet", "/not/there/yet"),
        (WORST, ["1e-3", 2], [0.001, 2]),  # YAML takes 1e-3 for a text
        (f"{R}.sweep.learning_rate", [1, 1], [1, 1]),
    ],
)
def test_what_is_allowed(path: str, value: Any, found: Any, monkeypatch: Any) -> None:
    monkeypatch.chdir(ROOT)
    inner = validated(changed(path, value)).model_dump(mode="json")
    for key in path.split("."):
        inner = inner[key]
    assert inner == found


def test_no_pool_has_the_name_of_a_folder_beside_it() -> None:
    text = "\n".join(path.read_text("utf-8") for path in (ROOT / "rules").glob("*.smk"))
    folders = set(re.findall(r"[<{](?:results|settings\.home)[>}]/(\w+)[/\"]", text))
    assert {"data", "figures", "tables", "standin", "simple"} <= folders <= FOLDERS


def opened(place: Any, path: str = "schema") -> Iterator[str]:
    """Every part of a schema that allows keys which it does not name."""
    if isinstance(place, dict):
        words = "enum" in place.get("propertyNames", {})
        if place.get("type") == "object" and place.get("additionalProperties", True) and not words:
            yield path
        for key, inner in place.items():
            yield from opened(inner, f"{path}.{key}")


def test_no_part_of_the_schema_is_open_but_the_switches_which_their_network_knows() -> None:
    whole = yaml.safe_load(schema())
    assert whole["additionalProperties"] is False
    assert list(opened(whole)) == ["schema.$defs.Procedure.properties.overrides"]
