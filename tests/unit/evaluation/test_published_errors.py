"""Published errors: read, taken in place of evaluated ones, compared with them."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from refusal import refused

from sharpness.evaluation.published import (
    PublishedError,
    compare,
    errors_for_preprocessing,
    read_published_errors,
)
from sharpness.io.files import write_frame

ROOT = Path(__file__).parents[3]
TABLE = """pool,model,part,error,preprocessing,source
soups,a,test,0.25,clip,theirs
soups,a,v2,0.5,timm,others
soups,b,test,0.125,,theirs
berts,a,test,0.75,bert,paper
"""
POOL = pd.DataFrame(
    {
        "model": ["b", "a", "c"],
        "error_train": [0.0, 0.0, 0.0],
        "error_test": [0.128001, 0.253, 0.5],
        "error_v2": [0.5, 0.51, 0.5],
        "gap": [0.1, 0.2, 0.3],
    }
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "published.csv"
    path.write_text(TABLE, encoding="utf-8")
    return path


def test_each_pool_has_its_own_rows(table: Path) -> None:
    found = read_published_errors(table, "soups")
    assert found == {
        "a": {
            "test": PublishedError(0.25, "clip", "theirs"),
            "v2": PublishedError(0.5, "timm", "others"),
        },
        "b": {"test": PublishedError(0.125, "", "theirs")},
    }
    assert read_published_errors(table, "nobody") == {}


def test_only_errors_of_the_same_preprocessing_stand_in(table: Path) -> None:
    found = read_published_errors(table, "soups")
    assert errors_for_preprocessing(found, "clip") == {"a": {"test": 0.25}, "b": {"test": 0.125}}
    assert errors_for_preprocessing(found, "timm") == {"a": {"v2": 0.5}, "b": {"test": 0.125}}
    assert errors_for_preprocessing(found, "") == {
        "a": {"test": 0.25, "v2": 0.5},
        "b": {"test": 0.125},
    }


def test_a_difference_above_the_limit_is_a_warning_where_it_means_something(table: Path) -> None:
    found = compare(POOL, read_published_errors(table, "soups"), "clip")
    keys = found[["model", "part"]].to_numpy().tolist()
    assert keys == [["b", "test"], ["a", "test"], ["a", "v2"]]
    assert found["published"].tolist() == [0.125, 0.25, 0.5]
    assert found["evaluated"].tolist() == [0.128001, 0.253, 0.51]
    assert found["difference"].tolist() == pytest.approx([0.3001, 0.3, 1.0])
    assert found["comparable"].tolist() == [True, True, False]
    assert found["warn"].tolist() == [True, False, False]  # 0.3 points exactly are allowed
    lower = compare(POOL.assign(error_test=0.12), read_published_errors(table, "soups"), "clip")
    assert lower["difference"].tolist()[:2] == pytest.approx([-0.5, -13.0])
    assert lower["warn"].tolist()[:2] == [True, True]


def test_without_data_there_is_a_row_and_no_warning(table: Path) -> None:
    lacking = POOL.assign(error_test=math.nan).drop(columns="error_v2")
    found = compare(lacking, read_published_errors(table, "soups"), "clip")
    assert found["part"].tolist() == ["test", "test"]
    assert found[["evaluated", "difference"]].isna().all(axis=None)
    assert not found["warn"].any()
    assert set(found["reason"]) == {"not compared: not evaluated here"}


def test_what_was_taken_is_not_compared_with_itself(table: Path) -> None:
    stated = read_published_errors(table, "soups")
    found = compare(POOL, stated, "clip", {"a": ["test"]})
    assert found[["model", "part"]].to_numpy().tolist() == [["b", "test"], ["a", "v2"]]
    rest = compare(POOL, stated, "clip", errors_for_preprocessing(stated, "clip"))
    assert rest[["model", "part"]].to_numpy().tolist() == [["a", "v2"]]


def test_the_file_reads_back(table: Path, tmp_path: Path) -> None:
    path = tmp_path / "compared.csv"
    found = compare(POOL, read_published_errors(table, "soups"), "clip")
    write_frame(path, found)
    again = pd.read_csv(path, keep_default_na=False)
    assert list(again.columns) == [
        *("model", "part", "published", "evaluated", "difference", "comparable", "warn"),
        *("preprocessing", "source", "reason"),
    ]
    assert again["warn"].tolist() == found["warn"].tolist()
    assert again["difference"].tolist() == pytest.approx(found["difference"].tolist())


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("error,", "mistake,", "no column 'error'; it needs pool, model, part"),
        ("0.25", "25.0", "line 2: error is '25.0'; it must be a fraction"),
        ("0.5,", ",", "line 3: error is ''; it must be a fraction"),
        ("a,v2", "a,test", "line 3: the error of 'a' on 'test' is there twice"),
    ],
)
def test_a_table_that_is_wrong_is_named(table: Path, old: str, new: str, words: str) -> None:
    table.write_text(TABLE.replace(old, new), encoding="utf-8")
    with refused(table, words):
        read_published_errors(table, "soups")


def test_the_published_facts_are_whole() -> None:
    facts = ROOT / "resources" / "published_errors.csv"
    soups = read_published_errors(facts, "clip-soups")
    assert len(soups) == 72
    assert {len(parts) for parts in soups.values()} == {7}
    berts = read_published_errors(facts, "feather-berts")
    assert {frozenset(parts) for parts in berts.values()} == {
        frozenset(("test", "lexical", "subsequence", "constituent"))
    }
    assert len(errors_for_preprocessing(berts, "bert")["bert_00"]) == 4
    assert (
        errors_for_preprocessing(read_published_errors(facts, "augreg-i1k"), "augreg").popitem()[1]
        == {}
    )
