"""What is to be fetched and what is not, by configuration; and a cache that people share."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from sharpness.checkpoints.convert import download_checkpoint
from sharpness.checkpoints.table import PublishedModel
from sharpness.config import Config, validated
from sharpness.config.pools import PublishedPool
from sharpness.config.required import (
    closing_messages,
    download_item,
    items,
    left_cache,
    missing_by_hand,
    needed_data,
    needed_parts,
)
from sharpness.config.schema import merged
from sharpness.data.locate import locate
from sharpness.io.errors import UserError
from sharpness.io.files import read_json, sha256

ROOT = Path(__file__).parents[3]
EVALUATED = {"pools": {"clip-soups": {"errors": "evaluate"}}}
SHIFTS = ["imagenet-v2", "imagenet-r", "imagenet-sketch", "imagenet-a", "objectnet"]


def configured(names: list[str], **changes: Any) -> Config:
    """The configuration at the paper's scale with these pools alone."""
    default = json.loads(json.dumps(yaml.safe_load((ROOT / "config.yaml").read_text())))
    whole = merged(default, yaml.safe_load((ROOT / "config" / "paper.yaml").read_text()))
    whole["pools"] = {name: whole["pools"][name] for name in names}
    return validated(merged(whole, changes))


def needed(settings: Config, *studied: str) -> list[str]:
    return needed_data(settings, needed_parts(settings), studied)


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are named as seen from where the workflow runs."""
    monkeypatch.chdir(ROOT)


# -- what is needed


def test_every_set_of_a_pool_is_needed_where_errors_are_evaluated() -> None:
    settings = configured(["clip-soups", "feather-berts"], **EVALUATED)
    for name, parts in needed_parts(settings).items():
        assert parts == settings.pools[name].data
    hans = ["hans-lexical", "hans-subsequence", "hans-constituent"]
    wanted = ["imagenet", *SHIFTS, "imagenet-2p", "mnli", *hans, "bert-vocabulary", "cora"]
    assert needed(settings, "cora") == wanted


def test_sets_whose_errors_are_published_are_not_needed() -> None:
    published = {name: {"errors": "published"} for name in ("clip-soups", "augreg-i1k")}
    settings = configured(["clip-soups", "augreg-i1k"], pools=published)
    parts = needed_parts(settings)
    assert parts["clip-soups"] == {"train": "imagenet"}
    # Of this pool one model has published errors, and the others are to be evaluated.
    assert parts["augreg-i1k"] == settings.pools["augreg-i1k"].data


def test_one_model_without_an_error_needs_the_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = configured(["clip-soups"], pools={"clip-soups": {"errors": "published"}})
    with open("resources/published_errors.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    kept = [r for r in rows if (r["model"], r["part"]) != ("model_7", "a")]
    other = [r | {"preprocessing": "timm"} if r["part"] == "r" else r for r in kept]
    for written, wanted in (
        (rows, {"train"}),
        (kept, {"train", "a"}),
        (other, {"train", "a", "r"}),
    ):
        with open(tmp_path / "errors.csv", "w", newline="") as stream:
            writer = csv.DictWriter(stream, rows[0])
            writer.writeheader()
            writer.writerows(written)
        monkeypatch.setattr("sharpness.config.required.PUBLISHED_ERRORS", tmp_path / "errors.csv")
        assert set(needed_parts(settings)["clip-soups"]) == wanted
    (tmp_path / "errors.csv").unlink()
    with pytest.raises(UserError, match=r"errors.csv: "):
        needed_parts(settings)


# -- what is to be brought


def test_what_cannot_be_downloaded_is_named_and_standins_need_nothing() -> None:
    settings = configured(["clip-soups"], **EVALUATED)
    lines = missing_by_hand(settings, needed(settings))
    for words in ("image-net.org", "objectnet.dev", "ImageNet-Sketch", "imagenet_98_idxs.npy"):
        assert sum(words in line for line in lines) == 1
    assert not any("imagenet-v2" in line for line in lines)
    mini = validated(yaml.safe_load((ROOT / "config.yaml").read_text()))
    assert items(mini, needed(mini)) == {}
    assert missing_by_hand(mini, needed(mini)) == []
    assert list(items(mini, needed(mini, "abalone"))) == ["data/abalone"]


def test_models_and_sources_are_brought_once_each() -> None:
    settings = configured(["feather-berts"], pools={"feather-berts": {"checkpoints": {"take": 3}}})
    found = items(settings, needed(settings, "cora"))
    models = [f"models/feather-berts/{name}" for name in settings.pools["feather-berts"].models]
    assert list(found) == [*models, "data/bert-vocabulary", "data/cora", "data/hans", "data/mnli"]
    (file,) = found[models[0]]
    assert file["url"].startswith("https://huggingface.co/connectivity/feather_berts_")
    assert len(found["data/cora"]) == 8
    assert found["data/hans"][0]["checksum"].startswith("git-blob e042af")
    assert missing_by_hand(settings, needed(settings, "cora")) == []


def test_the_initial_model_is_brought_and_converted_though_it_is_not_in_the_pool() -> None:
    settings = configured(["clip-soups"], pools={"clip-soups": {"checkpoints": {"take": 2}}})
    pool = settings.pools["clip-soups"]
    assert isinstance(pool, PublishedPool)
    assert "model_0" not in pool.models
    assert list(pool.converted) == [*pool.models, "model_0"]
    assert "models/clip-soups/model_0" in items(settings, needed(settings))
    assert pool.plan(["paper"])["initial"] == "model_0"
    pool.sharpness.measures.remove("initial-distance")
    assert "initial" not in pool.plan(["paper"])


def test_what_the_user_has_is_not_brought(tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_text(f"model,file,url\na,{tmp_path}/a.npz,\nb,,https://host.example/b.npz\n")
    settings = configured(
        ["augreg-i1k"],
        pools={"augreg-i1k": {"checkpoints": {"models": str(table)}, "subgroups": []}},
        data={
            "imagenet": {"folder": str(tmp_path)},
            "imagenet-r": {"file": str(tmp_path / "r.tar")},
            "objectnet": {"folder": str(tmp_path)},
        },
    )
    found = items(settings, needed(settings))
    sets = ["data/imagenet-a", "data/imagenet-v2", "data/augreg-index"]
    assert list(found) == ["models/augreg-i1k/b", *sets]
    lines = missing_by_hand(settings, needed(settings))
    assert len(lines) == 3
    assert f"data.imagenet-r.file: {tmp_path}/r.tar is not there" in lines
    assert any("ImageNet-Sketch.zip" in line and ".folder" in line for line in lines)
    assert any(line.startswith(f"{tmp_path}/a.npz: ") for line in lines)


# -- bringing


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    folder = tmp_path / "mirror" / "host.example"
    folder.mkdir(parents=True)
    (folder / "a").write_bytes(b"a" * 1000)
    (folder / "b").write_bytes(b"b" * 234)
    return folder.parent


def wanted(*names: str) -> list[dict[str, Any]]:
    return [{"url": f"https://host.example/{name}"} for name in names]


def test_what_came_is_written_down_and_told(tmp_path: Path, mirror: Path) -> None:
    cache, record = tmp_path / "cache", tmp_path / "record.json"
    assert not left_cache(record, wanted("a", "b"), cache)
    download_item(wanted("a", "b"), cache, mirror, record)
    digests = {name: sha256(mirror / "host.example" / name) for name in "ab"}
    assert read_json(record) == {
        "cache": str(cache),
        "files": [
            {"url": "https://host.example/a", "bytes": 1000, "sha256": digests["a"]},
            {"url": "https://host.example/b", "bytes": 234, "sha256": digests["b"]},
        ],
    }
    total, by_hand_line, settings = closing_messages([record, record], ["get it"], str(cache))
    assert total == f"2 files, 1,234 bytes, verified, in {cache}"
    assert by_hand_line == "by hand: get it"
    assert f"`mirror: {cache}`" in settings
    assert "`offline: true`" in settings
    assert not left_cache(record, wanted("a", "b"), cache)
    (cache / "host.example" / "b").unlink()
    assert left_cache(record, wanted("a", "b"), cache)


# -- a cache that is shared


@pytest.mark.parametrize(("there", "mirrored"), [(True, True), (True, False), (False, False)])
def test_an_original_that_was_there_is_never_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool, mirrored: bool
) -> None:
    """With ``keep: false``, where the mirror is the cache, or is not; what came goes."""
    place = "host.example/m.npz"
    cache, mirror = tmp_path / "cache", tmp_path / ("cache" if mirrored else "mirror")
    for folder in [cache] * there + [mirror]:
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(b"a model")
    monkeypatch.setattr(
        "sharpness.checkpoints.formats.read",
        lambda *_: {"w": np.zeros(2, np.float32)},
    )
    member, out = PublishedModel("m", {}, "https://host.example/m.npz"), tmp_path / "m.safetensors"
    places: dict[str, Any] = {"cache": cache, "mirror": mirror, "offline": True, "standin": False}
    download_checkpoint(member, "augreg", {}, out, keep=False, **places)
    assert out.exists()
    assert (cache / place).exists() == there
    assert (mirror / place).exists()


def test_a_dead_host_says_how_to_go_on_without_the_set(tmp_path: Path) -> None:
    absent = dict.fromkeys(("file", "folder", "holdout", "mirror"))
    place = {**absent, "cache": str(tmp_path), "offline": False, "standin": False}
    (tmp_path / "people.eecs.berkeley.edu").mkdir()
    (tmp_path / "people.eecs.berkeley.edu" / "~hendrycks").touch()
    with pytest.raises(UserError) as problem:
        locate("imagenet-a", place)
    message = str(problem.value)
    assert "data.imagenet-a.file or .folder (one that is not there, to go on without it)" in message
    assert "\n" not in message
    without = {**place, "file": str(tmp_path / "none")}
    assert locate("imagenet-a", without)["status"] == "missing"
