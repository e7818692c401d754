"""Published pools from download to page, by stand-ins in the publishers' formats."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from safetensors import safe_open
from workspace import AUGREG, BERTS, Workspace, jobs

from sharpness.checkpoints.table import stem

pytestmark = pytest.mark.workflow

CELLS, MODELS = 2 * 4 + 4 + 1, 3  # two protocols, four in the balanced gauge, one measure
PARTS = {
    AUGREG: ["train", "test", "v2", "r", "sketch", "a", "objectnet"],
    BERTS: ["train", "test", "lexical", "subsequence", "constituent"],
}


def errors(workspace: Workspace, pool: str) -> pd.DataFrame:
    """All rows of the error files of a pool."""
    files = sorted((workspace.results / pool / "errors").glob("*.csv"))
    return pd.concat([pd.read_csv(file, keep_default_na=False) for file in files])


def found_radii(workspace: Workspace) -> list[float]:
    """The radii that were found for the one measure that asks for them."""
    whole = json.loads((workspace.results / AUGREG / "radii.json").read_text())
    radii: list[float] = whole["definitions"]["geodesic-inv@auto"]["radii"]
    return radii


def test_a_run_makes_everything(published: Workspace):
    beside = 2  # adaptive ℓ2 of the BERTs
    assert len(published.items()) == MODELS * (2 * CELLS + beside + len(found_radii(published)))
    made = published.bytes()
    assert {f"tables/table{n}{s}" for n in (1, 2) for s in (".csv", ".md", ".tex")} <= made.keys()
    assert {f"figures/{f}{s}" for f in ("fig2", "fig25") for s in (".pdf", ".png")} <= made.keys()
    for pool, parts in PARTS.items():
        pool_csv = pd.read_csv(published.results / pool / "pool.csv")
        assert len(pool_csv) == MODELS
        assert (pool_csv["status"] == "ok").all()
        assert [c for c in pool_csv if c.startswith("error_")] == [f"error_{p}" for p in parts]
        assert set(errors(published, pool)["source"]) == {"evaluated"}


def test_converted_models_err_as_often_as_the_models_that_were_written(published: Workspace):
    for pool, parts in PARTS.items():
        compared = pd.read_csv(published.results / pool / "published.csv")
        assert sorted(set(compared["part"])) == sorted(set(parts) - {"train"})
        by_makers = compared["source"].str.startswith("AugReg's index.csv (stand-in)")
        assert by_makers.sum() == (MODELS if pool == AUGREG else 0)
        assert set(compared.loc[by_makers, "part"]) <= {"test"}
        assert len(compared) == MODELS * (len(parts) - 1) + by_makers.sum()
        facts = pd.read_csv(published.results / pool / "published_facts.csv")
        assert len(facts) == (4 if pool == AUGREG else 0)
        assert set(facts["reason"]) <= {"not compared: stand-ins"}
        assert compared["comparable"].all()
        assert not compared["warn"].any()
        assert compared["reason"].isna().all()
        assert compared["difference"].abs().max() <= 0.3


def test_radii_are_found_at_which_the_median_loss_rises_by_the_levels(published: Workspace):
    pool = pd.read_csv(published.results / AUGREG / "pool.csv")
    whole = json.loads((published.results / AUGREG / "radii.json").read_text())
    assert whole["models"] == [stem(model) for model in pool["model"]]
    assert (whole["points"], whole["points_of"]) == (32, 32)
    radii = found_radii(published)
    words = [f"geodesic-inv@{radius:.12g}" for radius in radii]
    assert [name for name in pool if name.startswith("geodesic")] == words
    found = whole["definitions"]["geodesic-inv@auto"]["levels"]
    levels = [entry["level"] for entry in found if "radius" in entry]
    assert levels
    assert [pool[word].median() for word in words] == pytest.approx(levels, rel=0.1)
    rows = pd.read_csv(published.results / AUGREG / "sharpness" / f"{stem(pool['model'][0])}.csv")
    assert [*rows.loc[rows["cell"].isin(words), "radius"]] == radii


def test_a_checkpoint_says_where_it_came_from(published: Workspace):
    path = next((published.results / AUGREG / "checkpoints").glob("*.safetensors"))
    with safe_open(path, framework="numpy") as stream:
        said = stream.metadata()["sharpness"]
    assert "https://storage.googleapis.com/vit_models/augreg/B_16-i1k-300ep" in said
    assert '"source_sha256"' in said
    assert '"standin": true' in said


def test_the_list_of_training_points_is_kept(published: Workspace):
    sample = pd.read_csv(published.results / "data" / "imagenet-sample.csv")
    assert list(sample) == ["file", "label"]
    assert len(sample) == sample["file"].nunique() == 100


def test_a_second_run_does_nothing(published: Workspace, tmp_path: Path):
    assert "Nothing to be done" in published.copied(tmp_path / "copy").run()


def test_published_errors_are_taken_where_they_are_wanted(published: Workspace, tmp_path: Path):
    copied = published.copied(tmp_path / "copy")
    before = copied.items()
    copied.change("pools", AUGREG, "errors", value="published")
    assert jobs(copied.run())["evaluate"] == 1
    assert copied.items() == before
    rows = errors(copied, AUGREG)
    assert set(rows.loc[rows["source"] == "published", "part"]) == set(PARTS[AUGREG]) - {"train"}
    assert set(rows.loc[rows["source"] == "evaluated", "part"]) == {"train"}
    assert pd.read_csv(copied.results / AUGREG / "published.csv").empty


def with_given_data(published: Workspace, folder: Path) -> tuple[Workspace, Path]:
    """One pool whose data are named by the user, ObjectNet in a folder that is not there."""
    workspace = Workspace.made(folder, "published.yaml", (AUGREG,))
    own = folder / "own"
    shutil.copytree(published.results / "standin" / "data", own)
    models = published.results / "standin" / AUGREG / "mirror"
    shutil.copytree(models, own / "mirror", dirs_exist_ok=True)
    folders, archives = own / "folders", own / "mirror"
    (folders / "objectnet").rename(own / "away")
    packed = {path.name: path for path in archives.rglob("*.tar*")}
    data = {
        name: {"folder": str(folders / name)}
        for name in ("imagenet", "imagenet-sketch", "objectnet")
    } | {
        "imagenet-r": {"file": str(packed["imagenet-r.tar"])},
        "imagenet-a": {"file": str(packed["imagenet-a.tar"])},
    }
    packed["imagenetv2-matched-frequency.tar.gz"].rename(own / "v2.tar.gz")
    for key, value in {
        "standins": False,
        "mirror": str(archives),
        "cache": str(folder / "cache"),
        "data": data,
    }.items():
        workspace.change(key, value=value)
    return workspace, own


def test_a_missing_data_set_stops_only_what_needs_it(published: Workspace, tmp_path: Path):
    workspace, own = with_given_data(published, tmp_path)
    workspace.run()
    rows = errors(workspace, AUGREG).set_index("part")
    assert set(rows.loc[rows["status"] == "missing"].index) == {"objectnet", "v2"}
    assert "data.objectnet.folder" in rows.loc["objectnet", "reason"].iloc[0]
    assert "no data set" not in (workspace.results / "tables" / "table1.md").read_text()
    assert "imagenetv2-matched-frequency" in (workspace.results / "tables/table1.md").read_text()
    cells, few = workspace.items(), workspace.items("error")

    (own / "away").rename(own / "folders" / "objectnet")
    planned = jobs(workspace.run())
    assert planned["dataset"] == 1
    assert "download" not in planned
    assert workspace.items() == cells
    now = workspace.items("error")
    assert {path: now[path] for path in few} == few
    assert len(now) - len(few) == MODELS
    rows = errors(workspace, AUGREG).set_index("part")
    assert set(rows.loc[rows["status"] == "missing"].index) == {"v2"}
    assert "Nothing to be done" in workspace.run()


def test_an_archive_that_comes_into_the_mirror_is_seen(published: Workspace, tmp_path: Path):
    workspace, own = with_given_data(published, tmp_path)
    workspace.run("results/tiny/data/imagenet-v2.json")
    assert "Nothing to be done" in workspace.run("results/tiny/data/imagenet-v2.json")
    place = own / "mirror/huggingface.co/datasets/vaishaal/ImageNetV2/resolve/main"
    (own / "v2.tar.gz").rename(place / "imagenetv2-matched-frequency.tar.gz")
    assert jobs(workspace.run("-n", "results/tiny/data/imagenet-v2.json"))["dataset"] == 1
    # It is the stand-in's archive, not the published one.
    assert "not the published" in workspace.run("results/tiny/data/imagenet-v2.json", fails=True)


def test_data_that_are_made_again_leave_the_models_alone(published: Workspace, tmp_path: Path):
    copied = published.copied(tmp_path / "copy")
    checkpoint = next((copied.results / AUGREG / "checkpoints").glob("*.safetensors"))
    before, listed = checkpoint.read_bytes(), copied.results / "standin" / "data.json"
    stated = listed.read_bytes()
    copied.run("--force", "results/tiny/standin/data.json")
    assert listed.read_bytes() == stated
    assert all(len(digest) >= 16 for digest in json.loads(stated).values())
    checkpoint.unlink()
    said = copied.run(f"results/tiny/{AUGREG}/checkpoints/{checkpoint.name}")
    assert jobs(said) == {"download": 1}
    assert checkpoint.read_bytes() == before
    assert "Nothing to be done" in copied.run()
