"""The stand-ins for MNLI, HANS and the BERTs of a feather."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from photo_files import listed

from sharpness.checkpoints import formats
from sharpness.checkpoints.table import PublishedModel
from sharpness.data.listing import write_sample
from sharpness.data.load import load_dataset
from sharpness.data.locate import locate
from sharpness.data.nli import HEURISTICS, hans_pairs, mnli_pairs
from sharpness.data.tokens import UNKNOWN, encode, read_vocabulary
from sharpness.io.download import place as path_of
from sharpness.io.files import sha256
from sharpness.measures.error_rates import error_and_loss
from sharpness.mini import berts
from sharpness.mini.models import make_standins
from sharpness.mini.sentences import (
    ACTIONS,
    EVENTS,
    PAIRS_PER_SUBCASE,
    QUALITIES,
    TASK,
    TEST,
    TRAIN,
    fill_template,
    mirror_path,
    vocabulary,
    write_sentences,
)
from sharpness.networks import build

ARCHITECTURE = {"name": "bert", "vocabulary": 128, "positions": 32, "types": 2, "classes": 3}
ARCHITECTURE |= {"dim": 28, "depth": 2, "heads": 2, "mlp_dim": 64}
MEMBERS = [
    PublishedModel(
        f"bert_{run:02}", {"run": run}, f"https://models.example/berts_{run}/weights.bin"
    )
    for run in (3, 8)
]
PARTS = {"test": "mnli", **{name.removeprefix("hans-"): name for name in HEURISTICS}}


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own") / "mirror"
    write_sentences(folder)
    return folder


def record(mirror: Path, name: str) -> dict[str, Any]:
    """The data set as a run of the workflow finds it."""
    settings: dict[str, Any] = {"cache": f"{mirror}-cache", "mirror": str(mirror), "offline": True}
    return locate(
        name,
        settings
        | dict.fromkeys(("file", "folder", "holdout"))
        | {"standin": listed(mirror.parent)},
    )


def inputs(mirror: Path) -> dict[str, Any]:
    return {"name": "tokens", "length": 24, "vocabulary": record(mirror, "bert-vocabulary")}


def sentences(mirror: Path) -> list[tuple[str, str]]:
    """The sentences of all sets."""
    mnli, hans = record(mirror, "mnli"), record(mirror, "hans-lexical")
    found = [p[2:] for split in ("train", "test") for p in mnli_pairs(mnli, split)]
    return found + [p[2:] for heuristic in HEURISTICS.values() for p in hans_pairs(hans, heuristic)]


def overlaps(first: str, second: str) -> bool:
    """Whether the hypothesis is made of words of the premise."""
    return set(second.lower().split()) <= set(first.lower().split())


def test_files_are_the_same_every_time(mirror: Path, tmp_path: Path) -> None:
    write_sentences(tmp_path)
    for name in ("mnli", "hans", "bert-vocabulary"):
        assert sha256(mirror_path(tmp_path, name)) == sha256(mirror_path(mirror, name))


def test_templates_use_different_words_with_their_opposites() -> None:
    for seed in range(50):
        rest, _ = fill_template(
            ("{v} {w} {V} {i} {j} {I} {x} {y} {X} {Y} {p}", "x"), random.Random(seed)
        )
        words = dict(zip("vwVijIxyXYp", rest.lower().split(), strict=False))
        assert len(set(words.values())) == len(words)
        for pairs, letter in ((ACTIONS, "v"), (EVENTS, "i"), (QUALITIES, "x"), (QUALITIES, "y")):
            assert pairs.index(words[letter]) ^ 1 == pairs.index(words[letter.upper()])
        people, _ = fill_template(("{a} {b} {c} was", "x"), random.Random(seed))
        *three, verb, _ = people.lower().split()
        assert len({word.removesuffix("s") for word in three}) == 3
        assert verb == ("were" if three[-1].endswith("s") else "was")


def test_every_word_is_in_the_vocabulary_and_no_pair_is_there_twice(mirror: Path) -> None:
    path = mirror_path(mirror, "bert-vocabulary")
    assert list(read_vocabulary(path)) == vocabulary()
    pairs = sentences(mirror)
    assert len(set(pairs)) == len(pairs)
    encoded = encode(pairs, path, 64)
    assert not (encoded.ids == vocabulary().index(UNKNOWN)).any()
    assert encoded.both.max() <= berts.LENGTH


def test_the_task_has_three_labels_and_a_shortcut(mirror: Path) -> None:
    pairs = list(mnli_pairs(record(mirror, "mnli"), "train"))
    assert len(pairs) == TRAIN
    assert all(0.28 < n / TRAIN < 0.39 for n in Counter(p.label for p in pairs).values())
    shortcut = Counter(pair.label == "entailment" for pair in pairs if overlaps(*pair[2:]))
    assert 0.75 < shortcut[True] / shortcut.total() < 0.95
    for label, templates in TASK.items():
        for template in templates:
            first, second = fill_template(template, random.Random(0))
            new = set(second.lower().split()) - set(first.lower().split())
            assert bool(new - {"was", "by", "were"}) == (label != "entailment"), (first, second)


def test_hans_is_made_against_the_shortcut(mirror: Path) -> None:
    for name, heuristic in HEURISTICS.items():
        pairs = list(hans_pairs(record(mirror, name), heuristic))
        labels = Counter(pair.label for pair in pairs)
        assert labels == {
            "entailment": 5 * PAIRS_PER_SUBCASE,
            "non-entailment": 5 * PAIRS_PER_SUBCASE,
        }
        assert all(overlaps(pair.first, pair.second) for pair in pairs)


def test_the_data_sets_find_and_read_them(mirror: Path, tmp_path: Path) -> None:
    for name in PARTS.values():
        size = TEST if name == "mnli" else 5 * PAIRS_PER_SUBCASE
        assert len(load_dataset(name, "test", record(mirror, name), inputs(mirror))) == size
    found = record(mirror, "mnli") | {"sample": str(tmp_path / "sample.csv")}
    write_sample(found["sample"], "mnli", found, 100, seed=0)
    assert "stand-in" in load_dataset("mnli", "train", found, inputs(mirror)).title


def test_a_brief_training_errs_as_an_evaluation_says_and_is_its_run(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(berts, "PRETRAINING", 4)
    monkeypatch.setattr(berts, "FINE_TUNING", 40)
    found = make_standins("bert", MEMBERS, ARCHITECTURE, tmp_path / "a")
    again = make_standins("bert", MEMBERS[1:], ARCHITECTURE, tmp_path / "b")
    assert again["bert_08"] == found["bert_08"]  # whatever was trained before
    paths = [path_of(member.url) for member in MEMBERS]
    one, two, two_again = (
        sha256(tmp_path / p) for p in (f"a/{paths[0]}", f"a/{paths[1]}", f"b/{paths[1]}")
    )
    assert one != two == two_again
    network = build(ARCHITECTURE)
    arrays = formats.read("bert", tmp_path / "a" / paths[1], ARCHITECTURE)
    network.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
    for part, name in PARTS.items():
        examples = load_dataset(name, "test", record(mirror, name), inputs(mirror))
        assert error_and_loss(network, examples)[0] == found["bert_08"][part]


def test_pretraining_asks_which_words_are_shared() -> None:
    ids = torch.tensor([[2, 7, 8, 3, 8, 9, 3, 0]])
    types = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 0]])
    known, words = berts.shared(ids, torch.tensor([[1] * 7 + [0]]), types)
    assert words.tolist() == types.bool().tolist()
    assert known[words].tolist() == [True, False, True]


@pytest.mark.slow
def test_it_learns_the_task_and_the_shortcut(tmp_path: Path) -> None:
    for errors in make_standins("bert", MEMBERS, ARCHITECTURE, tmp_path).values():
        assert errors["test"] < 0.3
        assert max(errors[part] for part in PARTS if part != "test") > 2 * errors["test"]
