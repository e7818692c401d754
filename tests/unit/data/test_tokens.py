"""Sentence pairs: tokens, MNLI's and HANS's files, whole and damaged."""

from __future__ import annotations

import json
import zipfile
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from refusal import refused

from sharpness.data.listing import write_sample
from sharpness.data.load import load_dataset
from sharpness.data.nli import mnli_lines, mnli_pairs
from sharpness.data.tokens import Texts, fit, load_hans, load_mnli, texts

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [*SPECIAL, "the", "cat", "##s", "sat", "sep", "##t", "on", "mat", ".", ",", "?", "'"]
WORDS += ["[", "]", "cafe", "un", "##known", "世", "s", "t", "don"]
NUMBER = {word: number for number, word in enumerate(WORDS)}


@pytest.fixture
def vocabulary(tmp_path: Path) -> Path:
    path = tmp_path / "vocab.txt"
    path.write_text("".join(f"{word}\n" for word in WORDS), encoding="utf-8")
    return path


def inputs_of(vocabulary: Path, length: int = 12) -> dict[str, Any]:
    record = {"status": "present", "files": [{"path": str(vocabulary)}]}
    return {"name": "tokens", "length": length, "vocabulary": record}


def words(ids: torch.Tensor) -> str:
    return " ".join(WORDS[number] for number in ids.tolist())


# -- tokens


def test_a_pair_becomes_three_tensors(vocabulary: Path) -> None:
    pairs = [("The cats sat.", "The CAT"), ("on", "dog")]
    [(inputs, labels)] = texts(pairs, [2, 0], vocabulary, 11, "tiny").batches(8)
    assert labels.tolist() == [2, 0]
    assert all(tensor.dtype == torch.int64 for tensor in (*inputs.values(), labels))
    first = inputs["input_ids"][0]
    assert words(first) == "[CLS] the cat ##s sat . [SEP] the cat [SEP] [PAD]"
    assert words(inputs["input_ids"][1]) == "[CLS] on [SEP] [UNK] [SEP]" + 6 * " [PAD]"
    assert inputs["attention_mask"].tolist() == [[1] * 10 + [0], [1] * 5 + [0] * 6]
    assert inputs["token_type_ids"].tolist() == [
        [0] * 7 + [1] * 3 + [0],
        [0] * 3 + [1] * 2 + [0] * 6,
    ]


SENTENCES = [
    "The cats sat, on the mat.",
    "  Café\tunknown \u0000 sat ?",
    "the世cat don't",
    "zzz the",
    "",
    "CATS\u00a0ON the ‘mat’",
]


def test_tokens_are_those_of_the_reference_implementation(vocabulary: Path) -> None:
    from transformers import BertTokenizer

    reference = BertTokenizer(vocab=dict(NUMBER))
    pairs = list(product(SENTENCES, SENTENCES))
    wanted = reference(
        [a for a, _ in pairs],
        [b for _, b in pairs],
        padding="max_length",
        max_length=32,
        return_tensors="pt",
    )
    [(inputs, _)] = texts(pairs, [0] * len(pairs), vocabulary, 32, "tiny").batches(100)
    assert int((inputs["input_ids"] == NUMBER["cafe"]).sum()) > 0  # accents are stripped
    for name, tensor in inputs.items():
        assert torch.equal(tensor, wanted[name]), name


def test_special_words_in_a_sentence_are_text(vocabulary: Path) -> None:
    ids = texts([("[SEP]", "the")], [0], vocabulary, 10, "tiny").ids[0]
    assert words(ids) == "[CLS] [ sep ] [SEP] the [SEP] [PAD] [PAD] [PAD]"


def test_the_longer_sentence_is_cut() -> None:
    """One token at a time, from the longer; from the second of two equally long ones."""
    for first, second, room in product(range(12), range(12), range(2, 20)):
        popped = [first, second]
        while sum(popped) > room:
            popped[popped[0] <= popped[1]] -= 1
        assert fit(first, second, room) == tuple(popped)


def test_a_cut_pair_fills_its_length(vocabulary: Path) -> None:
    long = texts([("the cat sat on", "the mat . ? ,")], [0], vocabulary, 9, "tiny")
    assert words(long.ids[0]) == "[CLS] the cat sat [SEP] the mat . [SEP]"
    assert int(long.inputs()["attention_mask"].sum()) == 9
    with refused("length is 4; a pair needs at least 5"):
        texts([("a", "b")], [0], vocabulary, 4, "tiny")


def test_no_vocabulary_is_a_problem(vocabulary: Path) -> None:
    for content, message in (
        (b"[PAD]\n[UNK]\n[CLS]\nthe\n", "has no token [SEP]"),
        (b"[PAD]\nthe\nthe\n", "line 3: token 'the' is there twice"),
        (b"[PAD]\n\xff\n", "is no readable vocabulary"),
    ):
        vocabulary.write_bytes(content)
        with refused(f"{vocabulary}: {message}"):
            texts([("a", "b")], [0], vocabulary, 8, "tiny")


# -- a set of pairs


def tiny(vocabulary: Path, last: str = "mat", label: int = 1) -> Texts:
    pairs = [("the cat", "cats"), ("sat on", "the mat"), ("the", last)]
    return texts(pairs, [0, 2, label], vocabulary, 10, "tiny")


def test_batches_and_subsets_keep_pairs_and_order(vocabulary: Path) -> None:
    whole = tiny(vocabulary)
    assert [len(labels) for _, labels in whole.batches(2)] == [2, 1]
    joined = torch.cat([inputs["input_ids"] for inputs, _ in whole.batches(2)])
    assert torch.equal(joined, whole.inputs()["input_ids"])
    part = whole.subset(slice(1, 3))
    assert part.labels.tolist() == [2, 1]
    for name, tensor in part.inputs().items():
        assert torch.equal(tensor, whole.inputs()[name][1:])
    # The digest names tokens and labels.
    others = [tiny(vocabulary, last="cat"), tiny(vocabulary, label=0), part]
    assert len({each.digest() for each in (whole, *others)}) == 4
    assert whole.digest() == tiny(vocabulary).digest()


# -- MNLI


def row(label: str, first: str = "the cat", second: str = "the mat") -> str:
    return json.dumps({"gold_label": label, "sentence1": first, "sentence2": second})


TRAIN = [
    row("neutral", "the", "cat"),
    row("-"),
    row("entailment", "sat", "sat"),
    row("contradiction", "on", "mat"),
]
DEV = [row("entailment"), row("-"), row("neutral"), row("contradiction")]


def mnli(tmp_path: Path, train: list[str] = TRAIN, dev: list[str] = DEV) -> dict[str, Any]:
    path = tmp_path / "multinli_1.0.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, lines in (("train", train), ("dev_matched", dev)):
            content = "".join(f"{line}\n" for line in lines)
            archive.writestr(f"multinli_1.0/multinli_1.0_{name}.jsonl", content)
    return {"name": "mnli", "status": "present", "title": "MNLI", "files": [{"path": str(path)}]}


def unpacked(record: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The record of an archive's files in a folder."""
    with zipfile.ZipFile(record["files"][0]["path"]) as archive:
        archive.extractall(folder)
    root = folder / "multinli_1.0"
    files = [root / f"multinli_1.0_{name}.jsonl" for name in ("train", "dev_matched")]
    return {**record, "files": [{"path": str(path)} for path in files], "folder": str(root)}


def test_the_development_set_tests(tmp_path: Path, vocabulary: Path) -> None:
    record, inputs = mnli(tmp_path), inputs_of(vocabulary)
    test = load_mnli("test", record, inputs)
    assert (test.title, test.groups) == ("MNLI", None)
    assert test.labels.tolist() == [1, 2, 0]  # the undecided pair is left out
    assert words(test.ids[0]).startswith("[CLS] the cat [SEP] the mat [SEP] [PAD]")
    assert list(mnli_pairs(unpacked(record, tmp_path), "test")) == list(mnli_pairs(record, "test"))
    most = int(test.ids.max())
    load_mnli("test", record, inputs | {"tokens": most + 1})
    with refused(f"vocab.txt: has a token of number {most}, the models know"):
        load_mnli("test", record, inputs | {"tokens": most})


def test_training_pairs_are_those_of_the_list(tmp_path: Path, vocabulary: Path) -> None:
    record = mnli(tmp_path)
    assert list(mnli_lines(record)) == [
        {"line": 1, "label": "neutral"},
        {"line": 3, "label": "entailment"},
        {"line": 4, "label": "contradiction"},
    ]
    sample = tmp_path / "sample.csv"
    sample.write_text("line,label\n4,contradiction\n1,neutral\n")
    train = load_mnli("train", record | {"sample": str(sample)}, inputs_of(vocabulary))
    assert train.labels.tolist() == [0, 2]
    assert [words(ids)[6:8] for ids in train.ids] == ["on", "th"]
    write_sample(sample, "mnli", record, 10, seed=0)
    train = load_mnli("train", record | {"sample": str(sample)}, inputs_of(vocabulary))
    assert sorted(train.labels.tolist()) == [0, 1, 2]


def test_a_list_of_another_file_is_refused(tmp_path: Path, vocabulary: Path) -> None:
    sample = tmp_path / "sample.csv"
    for content, message in (
        ("line,label\n2,neutral\n", "line 2 of the training file is no neutral; remove it"),
        ("line,label\n9,neutral\n", "line 9 of the training file"),
        ("line,label\nx,neutral\n", "line 'x' is no line number"),
        ("line,label\n", "is no list of line, label"),
        ("file,label\na,1\n", "is no list of line, label"),
    ):
        sample.write_text(content)
        with refused("sample.csv: ", message):
            load_mnli("train", mnli(tmp_path) | {"sample": str(sample)}, inputs_of(vocabulary))


def test_what_is_gone_is_named_with_its_remedy(tmp_path: Path, vocabulary: Path) -> None:
    again = "remove data/mnli.json in the results folder and run again"
    record, inputs = mnli(tmp_path), inputs_of(vocabulary)
    with refused("names no sample"):
        load_mnli("train", record, inputs)
    absent = {"status": "missing", "reason": "it is nowhere"}
    with refused("bert-vocabulary is missing: it is nowhere"):
        load_mnli("test", record, inputs | {"vocabulary": absent})
    record = unpacked(record, tmp_path)
    train, dev = (Path(entry["path"]) for entry in record["files"])
    dev.unlink()
    with refused(f"{dev}: ", again):
        load_dataset("mnli", "test", record, inputs)
    train.unlink()
    with refused(f"{train}: ", again):
        write_sample(tmp_path / "sample.csv", "mnli", record, 10, seed=0)


def test_a_damaged_line_is_named(tmp_path: Path, vocabulary: Path) -> None:
    for line, message in (
        ("{", "multinli_1.0_dev_matched.jsonl: line 2: is no sentence pair"),
        ("[]", "line 2: is no sentence pair"),
        ('{"gold_label": "neutral", "sentence1": "a"}', "sentence2"),
        ('{"gold_label": "neutral", "sentence1": "a", "sentence2": 1}', "no text"),
        (row("maybe"), "line 2: gold label 'maybe' is unknown"),
    ):
        with refused("line 2: ", message):
            load_mnli("test", mnli(tmp_path, dev=[DEV[0], line]), inputs_of(vocabulary))


def test_a_damaged_archive_is_named(tmp_path: Path, vocabulary: Path) -> None:
    record = mnli(tmp_path)
    path = Path(record["files"][0]["path"])
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with refused("multinli_1.0.zip: is no whole zip archive"):
        load_mnli("test", record, inputs_of(vocabulary))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other", "")
    with refused("has no member multinli_1.0/multinli_1.0_dev_matched"):
        load_mnli("test", record, inputs_of(vocabulary))


# -- HANS

HEADER = ["pairID", "sentence2", "heuristic", "gold_label", "sentence1"]
LINES = [
    ["ex0", "the cat", "lexical_overlap", "non-entailment", "the mat"],
    ["ex1", "the cat", "lexical_overlap", "entailment", "the cat"],
    ["ex2", "sat", "subsequence", "non-entailment", "the cat sat"],
    ["ex3", "on", "constituent", "entailment", "on ."],
    ["ex4", "?", "lexical_overlap", "non-entailment", 'the "cat'],
]


def hans(
    tmp_path: Path, header: list[str] = HEADER, lines: list[list[str]] = LINES
) -> dict[str, Any]:
    path = tmp_path / "heuristics_evaluation_set.txt"
    text = "".join("\t".join(cells) + "\n" for cells in [header, *lines])
    path.write_bytes(text.encode(errors="surrogateescape"))
    return {"name": "hans-lexical", "status": "present", "files": [{"path": str(path)}]}


def test_the_pairs_that_a_heuristic_gets_wrong(tmp_path: Path, vocabulary: Path) -> None:
    lexical = load_hans("hans-lexical", hans(tmp_path), inputs_of(vocabulary))
    assert lexical.title == "HANS (lexical overlap)"
    assert lexical.groups == ((0, 2), (1,))
    assert lexical.labels.tolist() == [0, 0]
    assert words(lexical.ids[0]).startswith("[CLS] the mat [SEP] the cat [SEP] [PAD]")
    assert words(lexical.ids[1]).startswith("[CLS] the [UNK] cat [SEP] ? [SEP]")  # quotes are text
    assert len(load_hans("hans-subsequence", hans(tmp_path), inputs_of(vocabulary))) == 1
    with refused("holds no such pairs"):
        load_hans("hans-constituent", hans(tmp_path), inputs_of(vocabulary))


def test_a_damaged_table_is_named(tmp_path: Path, vocabulary: Path) -> None:
    for header, line, message in (
        ([*HEADER[:2], "x", *HEADER[3:]], LINES[0], "no column heuristic"),
        (HEADER, LINES[0][:-1], "line 2: has 4 cells, the header 5"),
        (HEADER, ["ex0", "a", "subsequence", "maybe", "b"], "line 2: gold label 'maybe'"),
        (["\udcff\udcfe"], LINES[0], "is no UTF-8 text"),
    ):
        with refused("heuristics_evaluation_set.txt: ", message):
            load_hans("hans-lexical", hans(tmp_path, header, [line]), inputs_of(vocabulary))
