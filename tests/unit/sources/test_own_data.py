"""Image folders, tables of sentences, functions and known sets, for models of one's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from own_models import PLACES, image_folder
from refusal import refused

from sharpness.data.locate import locate
from sharpness.data.small import digits
from sharpness.sources.data import OwnData, open_data
from sharpness.sources.grammar import ModelSource
from sharpness.sources.models import LoadedModel, load_model

GREY = {"size": 8, "mean": [0.5], "std": [0.25]}


def own(data: dict[str, str], inputs: dict | None = None, **more) -> tuple[OwnData, LoadedModel]:
    found = OwnData({part: open_data(text, part, PLACES) for part, text in data.items()}, **more)
    source = ModelSource("own_models:network")
    return found, load_model(source, len(found.classes), PLACES, inputs)


def test_a_set_of_torchvision_that_is_not_there_says_where_to_put_it(tmp_path: Path) -> None:
    places = {"cache": str(tmp_path), "mirror": None, "offline": True}
    with refused("torchvision:CIFAR10", str(tmp_path / "torchvision"), "`offline` is set"):
        open_data("torchvision:CIFAR10", "train", places)


def test_an_image_folder_is_shuffled_by_seed_and_labelled_by_folder(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "train")
    data, model = own({"train": f"imagefolder:{folder}"}, GREY)
    examples, how = data.for_model(model)
    inputs, labels = next(iter(examples["train"].batches(18)))
    assert inputs.shape == (18, 1, 8, 8)
    assert labels.tolist() != sorted(labels.tolist())
    assert labels.bincount().tolist() == [6, 6, 6]
    assert "cat is 0" in how
    names = [name for name, _ in examples["train"].files]
    assert [["cat", "dog", "fox"].index(name.split("/")[0]) for name in names] == labels.tolist()
    again = open_data(f"imagefolder:{folder}", "train", PLACES, seed=1)
    assert again.labels.tolist() != labels.tolist()


def test_classes_of_a_test_folder_are_those_of_the_training_folder(tmp_path: Path) -> None:
    train, test = image_folder(tmp_path / "train"), image_folder(tmp_path / "test", ("dog", "fox"))
    data, model = own({"train": f"imagefolder:{train}", "test": f"imagefolder:{test}"}, GREY)
    examples, _ = data.for_model(model)
    _, labels = next(iter(examples["test"].batches(12)))
    assert labels.tolist() == [1] * 6 + [2] * 6
    other = image_folder(tmp_path / "other", ("emu",))
    data, model = own({"train": f"imagefolder:{train}", "test": f"imagefolder:{other}"}, GREY)
    with refused("emu", "none of the training data"):
        data.for_model(model)


def test_folders_without_preprocessing_or_images(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "train")
    data, model = own({"train": f"imagefolder:{folder}"})
    with refused("--input-size --mean --std"):
        data.for_model(model)
    with refused("is no folder"):
        open_data("imagefolder:/nowhere", "train", PLACES)
    (tmp_path / "empty").mkdir()
    with refused("no subfolder"):
        open_data(f"imagefolder:{tmp_path / 'empty'}", "train", PLACES)
    (folder / "dog" / "0.png").write_bytes(b"no image")
    data, model = own({"train": f"imagefolder:{folder}"}, GREY)
    with refused("dog/0.png", "no whole image"):
        list(data.for_model(model)[0]["train"].batches(18))


@pytest.mark.parametrize(
    "inputs",
    [{"size": 8, "mean": [0.5, 0.5], "std": [1.0, 1.0]}, {"size": 8, "mean": [0.5], "std": [0.0]}],
)
def test_wrong_constants_are_refused(inputs: dict) -> None:
    with refused("inputs", "mean"):
        load_model(ModelSource("own_models:network"), 3, PLACES, inputs)


def test_batches_and_pairs_of_a_function() -> None:
    data, model = own({"train": "own_models:batches"})
    assert data.classes == ("0", "1", "2")
    examples = data.for_model(model)[0]["train"]
    assert len(examples) == 32
    assert len(examples.digest()) == 16
    assert examples.digest() != examples.subset(slice(0, 16)).digest()
    data, model = own({"train": "own_models:pairs"})
    inputs, labels = next(iter(data.for_model(model)[0]["train"].batches(6)))
    assert torch.equal(inputs[:, 0] % 3, labels.float())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("own_models:no_model", "int without examples"),
        ("own_models:columns", "dict without examples"),
        ("own_models:nothing", "no function 'nothing'"),
        ("nowhere_at_all:f", "no module 'nowhere_at_all'"),
        ("torchvision:CIFAR", "did you mean"),
        ("csv:/nowhere.csv", "/nowhere.csv"),
    ],
)
def test_data_that_cannot_be_opened(text: str, said: str) -> None:
    with refused(said):
        open_data(text, "train", PLACES)


def test_a_table_of_sentences(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("sentence1,sentence2,label\n" + "a,b,yes\nc,d,no\n" * 3)
    data = open_data(f"csv:{path}", "test", PLACES)
    assert data.classes == ("no", "yes")
    assert data.labels.tolist() == [1, 0] * 3
    with refused("which the model does not read"):
        own({"train": f"csv:{path}"})[0].for_model(own({"train": "own_models:pairs"})[1])
    path.write_text("words,label\na,b\n")
    with refused("needs the columns label, and sentence"):
        open_data(f"csv:{path}", "test", PLACES)


def test_a_known_set_is_read_as_the_pools_read_it_or_preprocessed() -> None:
    record = locate(
        "digits", {**PLACES, "file": None, "folder": None, "holdout": None, "standin": None}
    )
    data = OwnData({"train": open_data("digits", "train", PLACES, record=record)})
    plain = load_model(ModelSource("own_models:network"), 10, PLACES)
    mine, theirs = data.for_model(plain)[0]["train"], digits("train")
    assert mine.digest() == theirs.digest()
    resized = load_model(ModelSource("own_models:network"), 10, PLACES, GREY)
    inputs, _ = next(iter(data.for_model(resized)[0]["train"].batches(4)))
    expected = (theirs.pixels[:4].numpy().astype(np.float32) / 255 - 0.5) / 0.25
    assert np.allclose(inputs.numpy(), expected, atol=1e-6)


def test_another_number_of_outputs_is_refused_but_by_a_table() -> None:
    data, _ = own({"train": "own_models:batches"})
    model = load_model(ModelSource("own_models:network", arguments={"num_classes": 7}), 3, PLACES)
    with refused("own_models:network", "7 outputs", "3 classes"):
        data.for_model(model)
    mapped = OwnData(data.parts, {"0": 6, "1": 5, "2": 4})
    labels = next(iter(mapped.for_model(model)[0]["train"].batches(32)))[1]
    assert sorted(set(labels.tolist())) == [4, 5, 6]
