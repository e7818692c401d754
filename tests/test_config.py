"""The configuration: what is shipped is valid and is the paper's; what is wrong is one line."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pytest
import torch
import yaml

from sharpness.config import Config, schema
from sharpness.config.sources import SourceName
from sharpness.config.words import DataSet
from sharpness.data.registry import REGISTRY, SOURCES
from sharpness.definition import Definition
from sharpness.downloads.fetch import known, place
from sharpness.networks import build
from sharpness.plan import Plan
from sharpness.problem import Problem
from sharpness.validation import validated

ROOT = Path(__file__).parents[1]
RESNET, VIT = "cifar10-resnet18", "cifar10-vit"
AUGREG, SOUPS, BERTS = ("augreg-i1k", "augreg-i21k"), "clip-soups", "feather-berts"
TABLES = [(1, AUGREG[0]), (1, AUGREG[1]), (1, SOUPS), (2, BERTS), (3, RESNET), (4, VIT)]
EXTRA = {
    VIT: {("worst-l2-adaptive-normlogits", 4.0)},  # of the released commands
    SOUPS: {  # of Figure 20
        (f"average-linf-adaptive-{logits}", radius)
        for logits in ("normlogits", "rawlogits")
        for radius in (0.05, 0.1, 0.2)
    },
}


def default() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "config.yaml").read_text())


def merged(base: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """As Snakemake does it: dicts merge, everything else is replaced."""
    both = dict(base)
    for key, value in overlay.items():
        inner = base.get(key)
        nested = isinstance(value, dict) and isinstance(inner, dict)
        both[key] = merged(inner, value) if nested else value
    return both


def paper() -> Config:
    overlay = yaml.safe_load((ROOT / "config" / "paper.yaml").read_text())
    return validated(merged(default(), overlay))


def test_default_and_paper_configurations_are_valid():
    assert validated(default()).scale == "mini"
    assert paper().scale == "paper"
    assert paper().note == ""


def test_schema_file_is_in_step():
    assert (ROOT / "config" / "schema.yaml").read_text() == schema()


@pytest.mark.parametrize(("table", "pool"), TABLES)
def test_radii_are_those_of_the_published_tables(table, pool):
    facts = pd.read_csv(ROOT / "resources" / "paper_taus.csv")
    facts = facts[(facts["table"] == table) & (facts["family"] == pool)]
    published = {
        (Definition(r.case, r.norm, r.adaptive, r.logit_norm).id, r.radius)
        for r in facts.itertuples()
    }
    for config in (validated(default()), paper()):
        radii = config.pools[pool].sharpness.radii
        ours = {(word, radius) for word, many in radii.items() for radius in many}
        assert ours == published | EXTRA.get(pool, set())
        assert len(published) == (48 if table > 2 else 12)
        assert config.pools[pool].table == table


def test_paper_scale_is_the_papers():
    for pool in (paper().pools[RESNET], paper().pools[VIT]):
        assert pool.sweep.models == 200
        assert pool.models_per_job == 1
        assert (pool.training.epochs, pool.training.batch_size) == (200, 128)
        assert (pool.sharpness.points, pool.sharpness.m, pool.sharpness.steps) == (1024, 128, 20)
        assert pool.sharpness.samples == {"paper": 100, "released": 20}
        assert pool.sharpness.max_train_error == 0.01
        assert pool.sharpness.ablations["m"].m == [16, 32, 64, 128]
    resnet, vit = paper().pools[RESNET], paper().pools[VIT]
    assert resnet.sharpness.ablations["steps"].steps == [20, 50, 100, 200]
    assert resnet.sweep.learning_rate == (0.05, 5.0)
    assert vit.sweep.learning_rate == (0.005, 0.5)


def test_published_pools_are_the_papers():
    pools = paper().pools
    counts = {name: len(pools[name].models) for name in (*AUGREG, SOUPS, BERTS)}
    assert counts == {"augreg-i1k": 56, "augreg-i21k": 56, "clip-soups": 72, "feather-berts": 50}
    for name in counts:
        sharpness = pools[name].sharpness
        assert (sharpness.points, sharpness.m, sharpness.steps) == (2048, 256, 20)
        assert sharpness.samples == {"paper": 100, "released": 20}
        assert pools[name].models_per_job == 1
    assert paper().sample.examples == 50_000
    assert paper().offline is paper().standins is False


@pytest.mark.parametrize(
    ("pool", "parameters"),
    [(AUGREG[0], 86_567_656), (SOUPS, 88_362_216), (BERTS, 109_484_547)],
)
def test_the_networks_of_the_published_pools_have_the_published_sizes(pool, parameters):
    with torch.device("meta"):
        network = build(paper().pools[pool].network)
    assert sum(p.numel() for p in network.parameters()) == parameters


def test_all_models_of_a_table_can_be_taken_and_a_choice_is_seeded():
    raw = default()
    settings = raw["pools"][BERTS]["checkpoints"]
    settings["take"] = 100
    assert len(validated(raw).pools[BERTS].models) == 100
    settings["take"] = 50
    first = validated(raw).pools[BERTS].models
    assert validated(raw).pools[BERTS].models == first
    settings["seed"] = 1
    assert validated(raw).pools[BERTS].models != first


def test_stand_ins_never_meet_the_real_files():
    config = validated(default())
    for name in ("imagenet", "imagenet-r", "mnli", "hans-lexical", "bert-vocabulary"):
        source = config.source(name)
        assert source["standin"] == "results/mini/standin/data.json"
        assert source["offline"] is True
        assert source["cache"] == "results/mini/standin/data/cache"
        assert source["mirror"] == "results/mini/standin/data/mirror"
    assert config.source("objectnet")["folder"] == "results/mini/standin/data/folders/objectnet"
    assert config.places("augreg-i1k")["mirror"] == "results/mini/standin/augreg-i1k/mirror"
    assert config.source("cifar10")["standin"] is None
    assert paper().source("imagenet-r")["standin"] is None
    assert paper().source("imagenet")["folder"] is None


def test_small_sets_are_stand_ins_until_they_can_be_had(tmp_path: Path):
    def standin(**given: Any) -> bool:
        raw = {**default(), "cache": str(tmp_path / "cache"), **given}
        return validated(raw).source("abalone")["standin"] is not None

    assert standin()
    assert not standin(offline=False)
    assert not standin(data={"abalone": {"file": "nowhere"}})
    assert standin(mirror=str(tmp_path / "mirror"))
    for folder in ("mirror", "cache"):
        file = tmp_path / folder / place(known("abalone").url)
        file.parent.mkdir(parents=True)
        file.write_text("")
        assert not standin(mirror=str(tmp_path / "mirror"))
        file.unlink()
    assert not standin(standins=False)


def test_words_are_those_of_the_registry():
    assert set(get_args(DataSet)) == {name for name, entry in REGISTRY.items() if entry.splits}
    assert set(get_args(SourceName)) == set(SOURCES)


def test_cells_are_distinct_and_ablations_share_the_base():
    sharpness = paper().pools[RESNET].sharpness
    cells = sharpness.cells(["paper", "released"])
    assert len(cells) == len(set(cells)) == 2 * 48 + 4 + 3 * 4 + 3 * 4
    assert not [c for c in cells if c.m == sharpness.m or c.steps == sharpness.steps]


def test_the_order_of_cells_is_not_that_of_the_configuration():
    raw = default()
    radii = raw["pools"][RESNET]["sharpness"]["radii"]
    shuffled = {word: radii[word][::-1] for word in sorted(radii)}
    assert list(shuffled) != list(radii)
    was = validated(raw).pools[RESNET].sharpness.cells(["paper"])
    raw["pools"][RESNET]["sharpness"]["radii"] = shuffled
    assert validated(raw).pools[RESNET].sharpness.cells(["paper"]) == was


def test_a_plan_survives_its_json_form():
    config = validated(default())
    sharpness = config.pools[RESNET].sharpness
    plan = Plan.parse(yaml.safe_load(yaml.safe_dump(sharpness.plan(config.protocols))))
    assert list(plan.cells) == sharpness.cells(config.protocols)
    assert plan.rows()[0]["m"] == sharpness.m


def test_jobs_hold_every_model_once():
    pool = validated(default()).pools[VIT]
    assert [m for group in pool.jobs.values() for m in group] == pool.models
    assert {pool.first_of[m] for m in pool.models} == set(pool.jobs)


def put(*path: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(raw: dict[str, Any]) -> None:
        for key in path[:-1]:
            raw = raw[key]
        raw[path[-1]] = value

    return change


def pool(*path: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    return put("pools", RESNET, *path, value=value)


def published(*path: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    return put("pools", AUGREG[0], *path, value=value)


RADII = ("sharpness", "radii", "worst-linf-adaptive-normlogits")

BAD = [
    (put("scal", value="x"), "scal: there is no such key; did you mean 'scale'?"),
    (put("scale", value="a/b"), "scale: 'a/b'"),
    (put("gpus", value=-1), "gpus: -1"),
    (put("device", value="gpu"), "device: 'gpu'"),
    (put("protocols", value=[]), "protocols: []"),
    (put("protocols", value=["papr"]), "did you mean 'paper'?"),
    (put("protocols", value=["paper", "paper"]), "'paper' is there more than once"),
    (put("pools", value={}), "pools: {}"),
    (put("offline", value="perhaps"), "offline: 'perhaps'"),
    (put("data", value={"cifar": {}}), "did you mean 'cifar10'?"),
    (put("data", value={"cifar10": {"path": "x"}}), "data.cifar10.path: there is no such key"),
    (pool("sweep", "models", value=0), "pools.cifar10-resnet18.sweep.models: 0"),
    (pool("sweep", "models", value="many"), "sweep.models: 'many'"),
    (pool("sweep", "learning_rate", value=[5, 0.1]), "lower bound 5.0 is above"),
    (pool("sweep", "learning_rate", value=[0, 1]), "sweep.learning_rate.0: 0"),
    (pool("sweep", "mixup", value=1.5), "sweep.mixup: 1.5"),
    (pool("sweep", "sam_rho", value=[-0.1]), "sweep.sam_rho.0: -0.1"),
    (pool("training", "epochs", value=0), "training.epochs: 0"),
    (pool("training", "epoch", value=5), "did you mean 'epochs'?"),
    (pool("training", "momentum", value=1), "training.momentum: 1"),
    (pool("training", "precision", value="float16"), "training.precision: 'float16'"),
    (pool("architecture", "name", value="resnet"), "architecture.name: 'resnet': it is one of"),
    (pool("architecture", "depth", value=3), "architecture.depth: there is no such key"),
    (pool("architecture", "width", value=0), "architecture.width: 0"),
    (pool("data", "train", value="cifar"), "did you mean 'cifar10'?"),
    (pool("sharpness", "m", value=50), "m is 50, which does not divide the 128 points"),
    (pool(*RADII, value=[1, 1]), "1.0 is there more than once"),
    (pool(*RADII, value=[-1]), "worst-linf-adaptive-normlogits.0: -1"),
    (pool(*RADII, value=[]), "worst-linf-adaptive-normlogits: []"),
    (pool(*RADII, value=[float("nan")]), "worst-linf-adaptive-normlogits.0: nan"),
    (
        pool("sharpness", "radii", "worst-linf-adaptve-normlogits", value=[1]),
        "did you mean 'worst-linf-adaptive-normlogits'?",
    ),
    (pool("sharpness", "max_train_error", value=2), "sharpness.max_train_error: 2"),
    (pool("sharpness", "samples", value={"papers": 3}), "did you mean 'paper'?"),
    (pool("sharpness", "ablations", "m", "m", value=[16, 16]), "16 is there more than once"),
    (pool("sharpness", "ablations", "m", "data", value=["both"]), "ablations.m.data.0: 'both'"),
    (pool("kind", value="trained"), "pools.cifar10-resnet18.kind: 'trained': it is one of 'sweep'"),
    (put("pools", "mine", value={"title": "mine"}), "pools.mine.kind: this key is required"),
    (pool("data", value={"train": "digits"}), "data lacks 'test'"),
    (pool("data", "tests", value="digits"), "pools.cifar10-resnet18.data.tests: "),
    (
        published("checkpoints", "models", value="no/such.csv"),
        "augreg-i1k.checkpoints: no/such.csv",
    ),
    (published("checkpoints", "format", value="npz"), "augreg-i1k.checkpoints.format: 'npz'"),
    (published("checkpoints", "format", value="bert"), "format 'bert' holds bert, not vit"),
    (published("checkpoints", "take", value=57), "57"),
    (published("checkpoints", "take", value=0), "augreg-i1k.checkpoints.take: 0"),
    (published("architecture", "dept", value=3), "architecture.dept: there is no such key"),
    (published("inputs", "recipe", value="crop"), "augreg-i1k.inputs.recipe: 'crop'"),
    (published("inputs", "sizes", value=3), "augreg-i1k.inputs.sizes: there is no such key"),
    (published("sharpness", "max_train_error", value=0.1), "max_train_error is for sweeps"),
    (published("errors", value="guess"), "augreg-i1k.errors: 'guess'"),
    (published("max_test_error", value=95), "augreg-i1k.max_test_error: 95"),
    (published("data", "sketch", value="imagenet-sketh"), "did you mean 'imagenet-sketch'?"),
    (put("data", value={"hans-lexical": {}}), "data.hans-lexical"),
    (put("sample", "examples", value=0), "sample.examples: 0"),
]


@pytest.mark.parametrize(("change", "words"), BAD, ids=[words[:40] for _, words in BAD])
def test_a_wrong_configuration_is_one_clear_line(change, words):
    raw = copy.deepcopy(default())
    change(raw)
    with pytest.raises(Problem) as caught:
        validated(raw)
    message = str(caught.value)
    assert message.startswith("configuration: ")
    assert words in message
    assert "\n" not in message


def test_a_missing_key_is_named():
    raw = default()
    del raw["pools"][VIT]["sweep"]["learning_rate"]
    with pytest.raises(Problem, match=r"pools.cifar10-vit.sweep.learning_rate: this key is requi"):
        validated(raw)
