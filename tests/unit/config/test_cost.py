"""What a pool costs: passes as they are made, jobs, files and hours of the bill."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from test_config import ROOT, default, paper
from torch import nn

from sharpness.config import cost, speed, validated
from sharpness.config.bill import (
    Kept,
    PoolHours,
    asked,
    costs_of,
    downloads_of,
    hours_measured,
    hours_on_card,
    jobs_of,
    kept_photos,
)
from sharpness.config.cost import kinds_of, sharpness_passes, training_passes
from sharpness.config.speed import Speed, known_speeds, measure_speeds, speed_of
from sharpness.config.spent import rule_of, spent
from sharpness.io.download import place
from sharpness.io.errors import UserError
from sharpness.measures.definition import PROTOCOLS, Cell
from sharpness.measures.sharpness import measure_cells

POOL = "cifar10-resnet18"


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_the_passes_of_a_plan_are_those_that_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forward passes are counted as they happen, so a backward one is priced at nothing here."""
    monkeypatch.setattr(cost, "BOTH", 1)
    config = validated(default())
    pool = config.pools[POOL]
    settings = pool.sharpness
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4))
        points = torch.randn(settings.points, 3), torch.randint(4, (settings.points,))
    passed = 0

    def count(_: nn.Module, inputs: Any) -> None:
        nonlocal passed
        passed += len(inputs[0])

    model.register_forward_pre_hook(count)
    batches = list(zip(*(part.split(settings.m) for part in points), strict=True))
    data: dict[Any, Any] = {"original": batches, "augmented": batches}
    knobs = {
        name: replace(knob, steps=settings.steps, samples=settings.samples[name])
        for name, knob in PROTOCOLS.items()
    }
    cells: list[Cell] = settings.cells(config.protocols)
    assert len(list(measure_cells(model, data, cells, protocols=knobs))) == len(cells)
    # Besides, the loss at the weights, once for each kind of data, m and logits, and the checks.
    planned = sum(sharpness_passes(pool, config.protocols, weights=16))
    assert 0 < passed - planned <= 10 * settings.points


def test_a_training_is_priced_with_sam_and_views_as_they_are_drawn() -> None:
    pool = paper().pools[POOL]
    kinds = kinds_of(pool)
    assert sum(kinds.values()) == 200
    expected = (
        50_000
        * 200
        / 200
        * sum(
            number * 3 * (2 if "sam" in kind else 1) * (2 if "augmented" in kind else 1)
            for kind, number in kinds.items()
        )
    )
    assert training_passes(pool) == pytest.approx(expected)
    assert training_passes(pool) == pytest.approx(3 * 50_000 * 200 * 1.5 * (1 + 2 / 3), rel=0.1)
    assert training_passes(paper().pools["clip-soups"]) == 0


def test_hours_of_a_card_and_of_measured_seconds() -> None:
    config = validated(default())
    pool, found = config.pools[POOL], costs_of(config)[POOL]
    hours = hours_on_card(found, "a100")
    passes = found.training + found.errors + found.sharpness
    assert hours.total == pytest.approx(22 * passes * found.flops / 9.75e12 / 3600)
    each = Speed(dict.fromkeys(kinds_of(pool), 2.0), 3.0, 0.0, 0.5, 0.25)
    hours = hours_measured(pool, found, each)  # type: ignore[arg-type]
    assert hours.training == pytest.approx(22 * 30 * 1000 * 2 / 3600)
    assert hours.errors == pytest.approx(22 * (1000 + 797 + 5 * 797) * 3 / 3600)
    cells = found.worst / 2 + (found.average + found.measures) / 4
    assert hours.sharpness == pytest.approx(22 * cells / 3600)


def test_memory_of_an_example_counts_shared_tensors_once() -> None:
    """Published models: activations of ViT-B/16 are at least 12 blocks of 197 tokens, 4 bytes."""
    found = costs_of(paper())["augreg-i1k"]
    block = 197 * 768 * 4
    assert 12 * 10 * block < found.activations < 12 * 40 * block
    assert found.memory(64) - found.memory(63) == found.activations


def test_jobs_scale_with_the_start_of_a_process_and_unknown_hours_stay_unknown() -> None:
    config = validated(default())
    none = jobs_of(config, {})
    train = {each.rule: each for each in none if each.rule.startswith("train ")}
    assert {rule: each.jobs for rule, each in train.items()} == {
        "train cifar10-resnet18": 2,
        "train cifar10-vit": 2,
    }
    assert all(each.seconds is None for each in train.values())
    hours = {POOL: PoolHours(1.0, 0.0, 2.0)}
    slow = {each.rule: each.seconds for each in jobs_of(config, hours, 28.0)}
    fast = {each.rule: each.seconds for each in jobs_of(config, hours, 2.8)}
    assert fast[f"train {POOL}"] == pytest.approx(3600 + 2 * 2.8)
    assert slow[f"evaluate {POOL}"] == pytest.approx(7200 + 2 * 28)
    assert slow["report"] == pytest.approx(10 * fast["report"])  # type: ignore[operator]


def test_what_the_rules_ask_for_is_read_from_them() -> None:
    assert asked("train") == (6000, 480)
    assert asked("rows") == (500, 2)
    with pytest.raises(UserError, match="no rule nothing"):
        asked("nothing")


def test_what_is_in_the_cache_is_said(tmp_path: Path) -> None:
    config = paper().model_copy(update={"cache": str(tmp_path)})
    found = downloads_of(config, costs := costs_of(config))
    assert found["cifar10"].bytes == 170498071
    assert found["cifar10"].cached == 0
    assert found["augreg-i1k"].bytes == 56 * 4 * costs["augreg-i1k"].weights
    assert found["augreg-i1k"].about
    file = tmp_path / place("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz")
    file.parent.mkdir(parents=True)
    file.write_bytes(b"12345")
    assert downloads_of(config, costs)["cifar10"].cached == 5


def test_a_measured_network_is_known_afterwards(tmp_path: Path) -> None:
    raw = default()
    pool = raw["pools"]["feather-berts"]
    pool["sharpness"] |= {"m": 4, "points": 8, "steps": 1, "samples": {"paper": 1, "released": 1}}
    pools = {"feather-berts": validated(raw).pools["feather-berts"]}
    said: list[str] = []
    file = tmp_path / "speed" / "cpu.json"
    measure_speeds(pools, file, torch.device("cpu"), said.append)  # type: ignore[arg-type]
    assert said[-1] == "feather-berts: measured, 1 of 1 networks"
    known = known_speeds(file)
    found = speed_of(known, pools["feather-berts"])  # type: ignore[arg-type]
    assert found is not None
    assert min(found.errors, found.worst, found.average, known["start"]) > 0
    assert found.photos == 0
    assert found.training == {}
    assert speed_of(known, validated(default()).pools[POOL]) is None  # type: ignore[arg-type]


def test_photos_are_decoded_for_each_model_or_kept_once_for_all(tmp_path: Path) -> None:
    """The two AugReg pools have the same photos; of the soups' sets, most errors are published."""
    config = paper()
    plain = costs_of(config)
    assert kept_photos(config) == {}
    assert plain["augreg-i1k"].photos == 56 * 216_963
    kept = config.model_copy(update={"photo_cache": str(tmp_path)})
    costs, found = costs_of(kept), kept_photos(kept)
    assert (costs["augreg-i1k"].photos, costs["augreg-i21k"].photos) == (216_963, 0)
    assert found["imagenet-v2 test augreg 224"] == Kept(10_000, 10_000 * (4 * 3 * 224**2 + 4))
    assert found["imagenet train clip 224"] == Kept(50_000, 50_000 * (3 * 224**2 + 4))
    total = sum(each.photos for each in found.values())
    assert total == 216_963 + costs["clip-soups"].photos < 216_963 + plain["clip-soups"].photos
    one = Speed({}, 0.0, 3600.0, 0.0, 0.0)
    hours = hours_measured(kept.pools["augreg-i1k"], costs["augreg-i1k"], one)  # type: ignore[arg-type]
    assert hours.errors == 216_963


def test_a_cell_of_a_large_network_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few examples would time the arithmetic on its weights."""
    rows: list[int] = []

    def timed(prepare: object, count: int, device: object, one: float = 0.0) -> float:
        rows.append(min(count, int(speed.CAP / one)) if one else count)
        return 1.0

    monkeypatch.setattr(speed, "_seconds", timed)
    pool, device = validated(default()).pools["augreg-i1k"], torch.device("cpu")
    for each, whole in ((1e-6, True), (1e-2, False), (1.0, None)):
        rows.clear()
        found = speed._cells(nn.Identity(), pool, "worst", device, each)  # type: ignore[arg-type]
        if whole is None:
            assert (found, rows) == (each, [])
        else:
            assert rows[0] == pool.sharpness.m if whole else rows[0] >= speed.FEWEST
            assert found < 1


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("vit/train/model-000", "train vit"),
        ("vit/evaluate/model-000", "evaluate vit"),
        ("vit/rows/model-000", "rows"),
        ("vit/draw", "draw"),
        ("data/mnli-sample", "sample"),
        ("data/mnli", "dataset"),
        ("standin/data", "standin_data"),
        ("standin/vit-index", "standin_index"),
        ("standin/vit", "standin"),
        ("tables/table1", "table"),
        ("figures/vit", "figures"),
        ("simple/linear", "linear"),
        ("simple/diagonal-0", "diagonal"),
        ("simple/diagonal-summary", "summary"),
        ("simple/lenet/code-0-0", "lenet"),
        ("simple/no-bias-1", "two_layer_relu"),
        ("report", "report"),
    ],
)
def test_the_rule_of_a_benchmark(path: str, rule: str) -> None:
    assert rule_of(Path(path)) == rule


def test_what_a_run_used_after_the_last_look_at_a_job_is_added(tmp_path: Path) -> None:
    folder = tmp_path / "benchmarks" / "vit" / "rows"
    folder.mkdir(parents=True)
    for name, row in {"a": "10\t4", "b": "90\t50", "c": "0.1\tNA"}.items():
        (folder / f"{name}.tsv").write_text(f"s\tcpu_time\n{row}\n")
    assert spent(tmp_path) == {"rows": [4.0, 50 * 90 / 75]}
    with pytest.raises(UserError, match="no benchmarks"):
        spent(tmp_path / "vit")


def test_facts_of_jobs_name_each_rule_once() -> None:
    rows = (ROOT / "resources" / "job_costs.csv").read_text("utf-8").splitlines()[1:]
    assert max(Counter(row.split(",")[0] for row in rows).values()) == 1
