"""AugReg's index: joined with the models by their files' names, fetched, or named as missing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from refusal import refused

from sharpness.checkpoints.table import PublishedModel, read_table
from sharpness.evaluation.augreg_index import (
    COLUMNS,
    ROW,
    compare_with_index,
    file_stem,
    index_reachable,
    read_index,
)
from sharpness.evaluation.published import compare_facts, read_facts
from sharpness.io.download import download_named, place
from sharpness.mini.augreg_index import write_index

ROOT = Path(__file__).parents[3]
STEM = "B_16-i1k-300ep-lr_0.001-aug_{}-wd_0.1-do_0.0-sd_0.0"
FINE = "--imagenet2012-steps_20k-lr_{}-res_224"
A = STEM.format("none") + FINE.format(0.01)
B = STEM.format("none") + FINE.format(0.03)
C = STEM.format("light0") + FINE.format(0.01)
HEADER = (
    "name,ds,lr,aug,wd,do,sd,best_val,final_val,final_test,adapt_ds,adapt_lr,adapt_steps,"
    "adapt_resolution,adapt_final_val,adapt_final_test,params,infer_samples_per_sec,filename,"
    "adapt_filename\n"
)
PRE = f"B/16,i1k,0.001,none,0.1,0.0,0.0,0.75,0.74,0.73,{{}},86567656,659.0,{STEM.format('none')},"
INDEX = (
    HEADER
    + PRE.format("cifar10,0.01,10000,224,0.97,0.971")
    + STEM.format("none")
    + "--cifar10-steps_10k-lr_0.01-res_224\n"
    + PRE.format("imagenet2012,0.01,20000,224,0.78,0.7821")
    + f"{A}\n"
    + PRE.format("imagenet2012,0.03,20000,224,0.70,0.628")
    + f"{B}\n"
)
POOL = pd.DataFrame({"model": ["b", "a", "c"], "error_test": [0.376, 0.2179, 0.3]})
STEMS = {"a": A, "b": B, "c": C}


def offline(mirror: Path, cache: Path, **changes: Any) -> dict[str, Any]:
    places = {"cache": str(cache), "mirror": str(mirror), "offline": True, "standin": False}
    return places | changes


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    path = tmp_path / "mirror" / place(download_named(ROW).url)
    path.parent.mkdir(parents=True)
    path.write_text(INDEX, encoding="utf-8")
    return tmp_path / "mirror"


def test_models_are_joined_by_the_stems_of_their_files(mirror: Path, tmp_path: Path) -> None:
    found = compare_with_index(POOL, STEMS, offline(mirror, tmp_path / "cache"), "augreg")
    assert found["model"].tolist() == ["b", "a", "c"]
    assert found["published"].tolist()[:2] == pytest.approx([1 - 0.628, 1 - 0.7821])
    assert found["difference"].tolist()[:2] == pytest.approx([0.4, 0.0])
    assert found["warn"].tolist() == [True, False, False]
    assert found["reason"].tolist() == [
        "",
        "",
        f"not compared: AugReg's index.csv: it has no row of {C}",
    ]
    (kept,) = (tmp_path / "cache").rglob("index.csv")
    assert kept.with_name("index.csv.sha256").exists()  # trusted on first use
    other = compare_with_index(POOL, STEMS, offline(mirror, tmp_path / "cache"), "timm")
    assert set(other["reason"][:2]) == {"not compared: for another preparation of the data"}
    taken = {"a": {"test": 0.2}, "c": {"test": 0.2}}
    left = compare_with_index(POOL, STEMS, offline(mirror, tmp_path / "cache"), "augreg", taken)
    assert left["model"].tolist() == ["b"]


def test_without_the_file_every_model_says_so(tmp_path: Path) -> None:
    places = offline(tmp_path / "none", tmp_path / "cache")
    assert not index_reachable(**places)
    found = compare_with_index(POOL, STEMS, places, "augreg")
    assert found["evaluated"].tolist() == POOL["error_test"].tolist()
    assert found["published"].isna().all()
    assert not found["warn"].any()
    assert found["reason"].str.startswith("not compared: AugReg's index.csv: https://").all()
    assert found["reason"].str.contains("offline is true").all()


def test_a_standin_is_neither_kept_nor_pinned(mirror: Path, tmp_path: Path) -> None:
    places = offline(mirror, tmp_path / "cache", standin=True)
    for _ in range(2):
        found = compare_with_index(POOL, STEMS, places, "augreg")
        assert set(found["source"]) == {"AugReg's index.csv (stand-in)"}
        assert not list((tmp_path / "cache").rglob("index.csv*"))
    shutil.rmtree(mirror)


def test_the_standins_index_reads_back(tmp_path: Path) -> None:
    members = read_table(ROOT / "resources" / "pools" / "augreg-i21k.csv")[:3]
    errors = {member.model: 0.1 * (k + 1) for k, member in enumerate(members[:2])}
    write_index(tmp_path / "index.csv", members, errors)
    assert (tmp_path / "index.csv").read_text().splitlines()[0] + "\n" == HEADER
    assert ",".join(COLUMNS) + "\n" == HEADER
    stems = [file_stem(member) for member in members]
    found = read_index(tmp_path / "index.csv", stems)
    assert list(found) == stems[:2]
    assert [*found.values()] == pytest.approx([0.1, 0.2])
    row = pd.read_csv(tmp_path / "index.csv").iloc[0]
    assert row["adapt_filename"] == f"{row['filename']}--imagenet2012-steps_20k-lr_0.01-res_224"
    assert (row["ds"], row["aug"], row["adapt_ds"]) == ("i21k", "none", "imagenet2012")


def test_a_models_own_file_counts() -> None:
    assert file_stem(PublishedModel("x", {}, file=f"folder/{A}.npz")) == A
    assert file_stem(PublishedModel("x", {}, url=f"https://host.example/augreg/{A}.npz")) == A


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("adapt_filename", "file", "no column 'adapt_filename'"),
        ("0.7821", "78.21", "line 3: adapt_final_test is '78.21'; it must be a fraction"),
        ("0.7821", "", "line 3: adapt_final_test is ''"),
        (B, A, "line 4: B_16-i1k-300ep"),
    ],
)
def test_an_index_that_is_wrong_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "index.csv"
    path.write_text(INDEX.replace(old, new), encoding="utf-8")
    with refused(path, words):
        read_index(path, [A, B])


def test_all_files_of_the_pools_have_the_makers_names() -> None:
    for name in ("augreg-i1k", "augreg-i21k"):
        members = read_table(ROOT / "resources" / "pools" / f"{name}.csv")
        stems = {file_stem(member) for member in members}
        assert len(stems) == len(members) == 56
        kind = name.removeprefix("augreg-")
        assert all(s.startswith(f"B_16-{kind}-300ep-lr_0.001-aug_") for s in stems)
        assert all(s.endswith("-res_224") and "--imagenet2012-steps_20k-lr_" in s for s in stems)


def test_what_the_paper_says_is_compared_with_all_its_models_alone() -> None:
    path = ROOT / "resources" / "published_facts.csv"
    errors = np.linspace(0.2179, 0.376, 56)
    origins = {"here": pd.Series(errors), "index": pd.Series(errors).mask(errors > 0.375)}
    found = compare_facts(read_facts(path, "augreg-i1k"), origins, standins=False)
    assert found["published"].tolist() == [0.218, 0.218, 0.372, 0.372]
    assert found["difference"].tolist()[::2] == pytest.approx([-0.01, 0.4])
    assert found["warn"].tolist() == [False, False, True, False]
    assert set(found["reason"][1::2]) == {"not compared: 55 of the paper's 56 models"}
    (line,) = read_facts(path, "augreg-i21k")
    ruined = pd.Series([*errors[:54], 0.999, 0.998])
    for values, count, off in ((ruined, 2, False), (pd.Series(errors), 0, True)):
        (row,) = compare_facts([line], {"here": values}, standins=False).to_dict("records")
        assert (row["found"], row["warn"]) == (count, off)
    standin = compare_facts([line], {"here": ruined}, standins=True)
    assert standin["reason"].tolist() == ["not compared: stand-ins"]
    nothing = compare_facts([line], {"here": ruined * np.nan}, standins=False)
    assert nothing["reason"].tolist() == ["not compared: 0 of the paper's 56 models"]
    assert read_facts(path, "clip-soups") == []
