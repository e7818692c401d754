"""What is known without any download: published errors, and how they rank the models.

The facts stand in ``resources/``; where the publishers' own files lie beside the project, they are
compared with those.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sharpness.statistics.kendall import kendall

ROOT = Path(__file__).parents[3]
RESOURCES = ROOT / "resources"
MIRROR = ROOT.parent / "shared" / "mirror" / "raw.githubusercontent.com"
SOUPS = MIRROR / "mlfoundations" / "model-soups" / "main"
HANS = MIRROR / "tommccoy1" / "hans" / "master" / "berts_of_a_feather"

SOUP_PARTS = {
    "ImageNet": "test",
    "ImageNetV2": "v2",
    "ImageNetR": "r",
    "ImageNetSketch": "sketch",
    "ImageNetA": "a",
    "ObjectNet": "objectnet",
    "ImageNet2p": "heldout",
}
BERT_PARTS = {
    "MNLI dev acc.": "test",
    "Lexical (nonent)": "lexical",
    "Subseq (nonent)": "subsequence",
    "Constituent (nonent)": "constituent",
}
EXAMPLES = {
    "test": 50000,
    "v2": 10000,
    "r": 30000,
    "sketch": 50889,
    "a": 7500,
    "objectnet": 18574,
    "heldout": 26000,
}


def needs(path: Path) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not path.exists(), reason=f"needs the publisher's {path.name}")


def errors(pool: str) -> pd.DataFrame:
    """Published errors, one row per model and one column per part."""
    facts = pd.read_csv(RESOURCES / "published_errors.csv")
    return facts[facts["pool"] == pool].pivot(index="model", columns="part", values="error")


def members(pool: str) -> pd.DataFrame:
    """The table of a pool."""
    return pd.read_csv(RESOURCES / "pools" / f"{pool}.csv", index_col="model")


@pytest.mark.parametrize(
    ("part", "tau"),
    [
        ("test", -0.127),
        ("v2", -0.020),
        ("r", 0.665),
        ("sketch", 0.348),
        ("a", 0.415),
        ("objectnet", 0.306),
    ],
)
def test_learning_rate_ranks_the_soups_off_distribution_only(part: str, tau: float) -> None:
    """Sec. 4.3 in numbers, over the 71 fine-tuned models: the base model has no learning rate."""
    rate, error = members("clip-soups")["learning_rate"], errors("clip-soups")[part]
    found = kendall(rate, error.reindex(rate.index), resamples=0)
    assert found.models == 71
    assert found.tau == pytest.approx(tau, abs=5e-4)


@pytest.mark.parametrize(
    ("first", "second", "tau"),
    [
        ("test", "lexical", 0.301),
        ("test", "subsequence", 0.136),
        ("test", "constituent", -0.243),
        ("lexical", "subsequence", 0.579),
    ],
)
def test_errors_of_the_berts_rank_one_another(first: str, second: str, tau: float) -> None:
    found = errors("feather-berts")
    result = kendall(found[first], found[second], resamples=0)
    assert result.models == 100
    assert result.tau == pytest.approx(tau, abs=5e-4)


def test_two_soups_are_one_model() -> None:
    found, table = errors("clip-soups"), members("clip-soups")
    assert found.duplicated(keep=False).pipe(lambda same: [*found.index[same]]) == [
        "model_4",
        "model_5",
    ]
    parameters = ["learning_rate", "epochs", "weight_decay", "smoothing", "mixup", "augmentation"]
    assert table.loc["model_4", parameters].equals(table.loc["model_5", parameters])


def test_many_berts_share_their_test_error() -> None:
    """Ties: Eq. 4 counts them in its denominator."""
    found = errors("feather-berts")["test"]
    assert found.nunique() == 60
    correct = (1 - found) * 9815
    assert np.abs(correct - correct.round()).max() < 1e-5


def test_soups_errors_are_of_whole_images() -> None:
    found = errors("clip-soups")
    assert set(found.columns) == set(EXAMPLES)
    for part, examples in EXAMPLES.items():
        wrong = found[part] * examples
        assert np.abs(wrong - wrong.round()).max() < 1e-4, part


@pytest.mark.parametrize(("pool", "models"), [("clip-soups", 72), ("feather-berts", 100)])
def test_every_model_has_every_published_error(pool: str, models: int) -> None:
    found = errors(pool)
    assert set(found.index) == set(members(pool).index)
    assert len(found) == models
    assert found.notna().all(axis=None)


@pytest.mark.parametrize("pool", ["augreg-i1k", "augreg-i21k"])
def test_timm_reports_one_model_of_each_augreg_pool(pool: str) -> None:
    found = errors(pool)
    assert len(found) == 1
    assert found.index[0] in members(pool).index
    assert len(members(pool)) == 56


def test_the_paper_prints_48_coefficients_for_each_pretrained_pool() -> None:
    facts = pd.read_csv(RESOURCES / "paper_taus.csv")
    pretrained = facts[facts["table"] < 3]
    counts = pretrained.groupby(["table", "family"]).size().to_dict()
    assert counts == {
        (1, "augreg-i1k"): 48,
        (1, "augreg-i21k"): 48,
        (1, "clip-soups"): 48,
        (2, "feather-berts"): 48,
    }
    assert (pretrained.groupby("family")["radius"].nunique() >= 3).all()
    assert not pretrained.duplicated([c for c in facts.columns if c != "tau"]).any()


@needs(SOUPS / "individual_model_results.jsonl")
def test_the_soups_errors_are_their_authors() -> None:
    text = (SOUPS / "individual_model_results.jsonl").read_text(encoding="utf-8")
    rows = pd.DataFrame(map(json.loads, text.splitlines())).set_index("model_name")
    assert len(rows) == 72
    theirs = 1 - rows[[*SOUP_PARTS]].rename(columns=SOUP_PARTS)
    ours = errors("clip-soups").loc[rows.index, theirs.columns]
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


@needs(SOUPS / "hparam_info.json")
def test_the_soups_hyperparameters_are_their_authors() -> None:
    theirs = json.loads((SOUPS / "hparam_info.json").read_text(encoding="utf-8"))
    names = {
        "lr": "learning_rate",
        "wd": "weight_decay",
        "mix": "mixup",
        "smoothing": "smoothing",
        "epochs": "epochs",
    }
    table = members("clip-soups")
    assert set(table.index) == set(theirs)
    for model, settings in theirs.items():
        row = table.loc[model]
        if model == "model_0":
            assert row[list(names.values())].isna().all()
            continue
        for key, name in names.items():
            assert row[name] == settings[key], (model, name)
        augmentation = row["augmentation"]
        assert (None if pd.isna(augmentation) else augmentation) == settings["aug"], model


@needs(HANS / "berts_of_a_feather_accuracies_by_run.csv")
def test_the_berts_errors_are_their_authors() -> None:
    path = HANS / "berts_of_a_feather_accuracies_by_run.csv"
    with open(path, encoding="utf-8-sig", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["Run"].startswith("Run ")]
    assert len(rows) == 100
    ours, table = errors("feather-berts"), members("feather-berts")
    for row in rows:
        run = int(row["Run"].removeprefix("Run "))
        model = f"bert_{run:02d}"
        assert table.loc[model, "run"] == run
        for name, part in BERT_PARTS.items():
            assert ours.loc[model, part] == pytest.approx(1 - float(row[name]), abs=1e-7)
