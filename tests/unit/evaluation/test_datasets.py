"""Which parts have data, told before any is read."""

from __future__ import annotations

import pytest
import torch
from evaluations import record

from sharpness.evaluation.datasets import EvalDatasets
from sharpness.io.errors import UserError
from sharpness.io.job import compute_device


def test_without_a_vocabulary_no_text_can_be_read() -> None:
    data = {part: record(part) for part in ("train", "test")}
    inputs = {"name": "tokens", "length": 8, "vocabulary": record("words", "get vocab.txt")}
    sets = EvalDatasets(data, inputs)
    assert sets.missing == dict.fromkeys(data, "get vocab.txt")
    assert "train" not in sets
    inputs["vocabulary"] = record("words")
    assert not EvalDatasets(data, inputs).missing


def test_a_split_that_is_not_there_is_missing() -> None:
    both = {**record("imagenet"), "folder": "photos", "splits": {"train": {}}}
    sets = EvalDatasets({"train": both, "test": both})
    assert sets.missing == {"test": "photos: has no test split; add it"}
    assert "train" in sets


def test_a_data_set_of_other_classes_than_the_models_is_refused() -> None:
    train = {**record("train"), "classes": ["n01440764", "n01443537"]}
    EvalDatasets({"train": train}, classes=2)
    with pytest.raises(UserError, match="has 2 classes, the models have 1000"):
        EvalDatasets({"train": train}, classes=1000)


def test_a_gpu_multiplies_32_bit_numbers_as_such() -> None:
    torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("high")
    compute_device("cpu")
    assert not torch.backends.cudnn.allow_tf32
    assert torch.get_float32_matmul_precision() == "highest"
