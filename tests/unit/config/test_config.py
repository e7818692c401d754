"""The configuration: what is shipped is valid and is the paper's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml

from sharpness.config import Config, schema, validated
from sharpness.config.schema import merged
from sharpness.io.download import download_named, place
from sharpness.measures.definition import Definition
from sharpness.networks import build

ROOT = Path(__file__).parents[3]
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


def paper() -> Config:
    overlay = yaml.safe_load((ROOT / "config" / "paper.yaml").read_text())
    return validated(merged(default(), overlay))


def test_default_and_paper_configurations_are_valid():
    assert validated(default()).scale == "mini"
    assert paper().scale == "paper"
    assert paper().note == ""


def test_a_configuration_is_checked_without_torch():
    code = "import sharpness.config, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


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
    assert {name: pools[name].errors for name in counts} == {
        **dict.fromkeys((*AUGREG, BERTS), "evaluate"),
        SOUPS: "published",
    }
    assert paper().sample.examples == 50_000
    assert paper().offline is paper().standins is False


def test_the_simple_studies_are_the_papers():
    simple = paper().simple
    assert simple.two_layer_relu.schedule == "published"
    assert paper().study_note("two_layer_relu") == ""
    for network in simple.small_networks.networks.values():
        assert {procedure.models for procedure in network.procedures.values()} == {50}


@pytest.mark.parametrize(
    ("pool", "parameters"),
    [(AUGREG[0], 86_567_656), (SOUPS, 88_362_216), (BERTS, 109_484_547)],
)
def test_the_networks_of_the_published_pools_have_the_published_sizes(pool, parameters):
    with torch.device("meta"):
        network = build(paper().pools[pool].network)
    assert sum(p.numel() for p in network.parameters()) == parameters


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
        file = tmp_path / folder / place(download_named("abalone").url)
        file.parent.mkdir(parents=True)
        file.write_text("")
        assert not standin(mirror=str(tmp_path / "mirror"))
        file.unlink()
    assert not standin(standins=False)


def test_cells_are_distinct_and_ablations_share_the_base():
    sharpness = paper().pools[RESNET].sharpness
    cells = sharpness.cells(["paper", "released"])
    assert len(cells) == len(set(cells)) == 2 * 48 + 4 + 3 * 4 + 3 * 4 + 1 + 3
    assert not [c for c in cells if c.m == sharpness.m or c.steps == sharpness.steps]


def test_the_order_of_cells_is_not_that_of_the_configuration():
    raw = default()
    radii = raw["pools"][RESNET]["sharpness"]["radii"]
    shuffled = {word: radii[word][::-1] for word in sorted(radii)}
    assert list(shuffled) != list(radii)
    was = validated(raw).pools[RESNET].sharpness.cells(["paper"])
    raw["pools"][RESNET]["sharpness"]["radii"] = shuffled
    assert validated(raw).pools[RESNET].sharpness.cells(["paper"]) == was


def test_jobs_hold_every_model_once():
    pool = validated(default()).pools[VIT]
    assert [m for group in pool.jobs.values() for m in group] == pool.models
    assert {pool.first_of[m] for m in pool.models} == set(pool.jobs)
