"""What a loader or a data set could take wrongly in silence, and is refused or mended."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import own_models
import pytest
import torch
from own_models import PLACES, image_folder, network
from PIL import Image
from refusal import refused
from safetensors.torch import save_model
from torch import Tensor, nn
from torch.nn.functional import one_hot
from torch.utils.data import DataLoader, TensorDataset

from sharpness.sources.data import OwnData, has_splits, open_data
from sharpness.sources.grammar import ModelSource
from sharpness.sources.labels import outputs_for
from sharpness.sources.models import load_model
from sharpness.sources.own_code import check_arguments
from sharpness.sources.weights import load_into, read_weights

GREY = {"size": 8, "mean": [0.5], "std": [0.25]}


def given(monkeypatch: pytest.MonkeyPatch, value: Any) -> Any:
    """Open what a function of data returns."""
    monkeypatch.setattr(own_models, "given", lambda: value, raising=False)
    return open_data("own_models:given", "train", PLACES)


class Listed(TensorDataset):
    """Examples beside a list of targets that are others."""

    targets = (2, 2, 2, 2)


def test_targets_that_are_not_those_of_the_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, labels = torch.randn(4, 64), torch.tensor([0, 1, 0, 1])
    with refused("batch", "inputs of 4 and targets of 3"):
        given(monkeypatch, [(inputs, labels[:3])])
    with refused("inputs of 64 and targets of 3"):
        given(monkeypatch, [(row, one_hot(torch.tensor(1), 3)) for row in inputs])
    with refused("one-hot"):
        given(monkeypatch, [(torch.randn(3, 8, 8), one_hot(torch.tensor(k), 3)) for k in (0, 1)])
    with refused("list of targets says 2"):
        given(monkeypatch, Listed(inputs, labels))
    assert len(given(monkeypatch, [(inputs, labels.numpy())])) == 4
    with refused("label 123456789"):
        given(monkeypatch, [(row, 123456789) for row in inputs])


def test_a_shuffling_loader_gives_the_same_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    data = TensorDataset(torch.arange(32.0)[:, None], torch.arange(32) % 3)
    before = random.getstate()
    found = [given(monkeypatch, DataLoader(data, 8, shuffle=True)).make(None) for _ in range(2)]
    assert torch.equal(found[0].inputs, found[1].inputs)
    assert random.getstate() == before


def test_two_classes_of_one_name_stay_two(monkeypatch: pytest.MonkeyPatch) -> None:
    data = TensorDataset(torch.randn(3, 64), torch.arange(3))
    data.classes = ["crane", "dog", "crane"]
    assert given(monkeypatch, data).classes == ("0", "1", "2")


def test_outputs_with_other_names_or_numbers_as_words_have_no_order() -> None:
    with refused("called positive, negative", "neg, pos", "--labels"):
        outputs_for(("neg", "pos"), 2, ("positive", "negative"))
    assert outputs_for(("0", "1"), 2, ("positive", "negative"))[0] == [0, 1]
    with refused("'crane'", "several"):
        outputs_for(("crane",), 3, ("crane", "dog", "Crane"))
    words = sorted(map(str, range(12)))
    with refused("sorted as words (0, 1, 10"):
        outputs_for(words, 12)
    assert outputs_for(words, 12, fresh=True)[0] == list(range(12))


def test_labels_of_a_table(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("sentence,label\na,01\nb,00\n")
    assert open_data(f"csv:{path}", "test", PLACES).classes == ("00", "01")
    for text, said in (
        ("sentence,label\na,\nb,1\n", "label is empty"),
        ("sentence,label,label\na,1,0\n", "'label' is there twice"),
    ):
        path.write_text(text)
        with refused(path, said):
            open_data(f"csv:{path}", "test", PLACES)


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
        self.b.weight = self.a.weight


def test_tied_weights(tmp_path: Path) -> None:
    path, model = tmp_path / "a.safetensors", Tied()
    save_model(Tied(), path)  # which keeps one of the two names
    load_into(model, read_weights(path), path)
    assert torch.equal(model.b.bias, read_weights(path)["b.bias"])
    other = {name: value.clone() for name, value in model.state_dict().items()}
    other["a.weight"] += 1
    with refused(path, "a.weight is one with another"):
        load_into(model, other, path)


@pytest.mark.parametrize("change", [lambda t: t.to(torch.int8), lambda t: t.to(torch.complex64)])
def test_numbers_of_another_kind_are_no_weights(change: Any, tmp_path: Path) -> None:
    state = {name: change(value) for name, value in network().state_dict().items()}
    with refused("1.weight holds", "torch.float32"):
        load_into(network(), state, tmp_path)
    sparse = {**network().state_dict(), "1.weight": torch.eye(4, 64).to_sparse()}
    with refused("1.weight is sparse"):
        load_into(network(), sparse, tmp_path)


def test_names_of_several_dictionaries_that_begin_alike(tmp_path: Path) -> None:
    raw, ema = torch.ones(2), torch.zeros(2)
    torch.save({"raw": {"model.w": raw}, "ema": {"model.w": ema}}, tmp_path / "a.pt")
    with refused("raw.model, ema.model", "key"):
        read_weights(tmp_path / "a.pt", "model")
    assert torch.equal(read_weights(tmp_path / "a.pt", "ema.model")["w"], ema)


def test_arguments_that_nobody_takes() -> None:
    with refused("own_models:network", "'widht'", "did you mean 'width'"):
        check_arguments(ModelSource("own_models:network", arguments={"widht": 8}))
    with refused("hf:x", "takes no argument 'size'"):
        load_model(ModelSource("hf:x", arguments={"size": 8}), 3, PLACES)
    with refused("--pretrained"):
        load_model(ModelSource("torchvision:resnet18@DEFAULT"), 3, PLACES)


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_pixels_of_more_than_8_bits_are_refused(kind: type, tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "train", ("cat", "dog"))
    (folder / "cat" / "0.png").unlink()
    Image.fromarray(np.ones((8, 8), kind)).save(folder / "cat" / "0.tif")
    data = OwnData({"train": open_data(f"imagefolder:{folder}", "train", PLACES)})
    model = load_model(ModelSource("own_models:network"), 2, PLACES, GREY)
    with refused("0.tif", "more than 8 bits"):
        list(data.for_model(model)[0]["train"].batches(12))


def test_a_folder_within_a_class_or_one_class_alone(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "train", ("cat",))
    data = OwnData({"train": open_data(f"imagefolder:{folder}", "train", PLACES)})
    with refused("has one output"):
        data.for_model(load_model(ModelSource("own_models:network"), 1, PLACES, GREY))
    (folder / "cat" / "more").mkdir()
    with refused("cat/more is a folder within a class"):
        open_data(f"imagefolder:{folder}", "train", PLACES)


def test_constants_of_pixels_up_to_255_are_refused() -> None:
    for mean in (127.5, float("nan")):
        with refused("pixels are in [0, 1]"):
            load_model(ModelSource("own_models:network"), 3, PLACES, {**GREY, "mean": [mean]})


def test_a_timm_network_of_one_channel_or_another_size() -> None:
    grey = load_model(ModelSource("timm:test_vit", arguments={"in_chans": 1}), 3, PLACES)
    with refused("3 channels, not 1", "--input-size"):
        grey.preparation()
    small = load_model(ModelSource("timm:test_vit", arguments={"img_size": 64}), 3, PLACES)
    assert small.preparation()(Image.new("RGB", (90, 80))).shape == (3, 64, 64)


def test_images_of_several_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    def keeps(image: Image.Image) -> Tensor:
        return torch.zeros(3, *image.size)

    from sharpness.sources.preparation import ImageInputs

    data = given(monkeypatch, [(Image.new("RGB", (8, 8 + k)), k) for k in range(2)])
    with refused("own_models:given", "images of (3, 8, 8) and (3, 8, 9)"):
        list(data.make(ImageInputs({}, keeps)).batches(2))


def test_a_model_without_weights_and_data_without_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_models, "empty", nn.Flatten, raising=False)
    data = OwnData({"train": open_data("own_models:batches", "train", PLACES)})
    with refused("own_models:empty", "has no weights"):
        data.for_model(load_model(ModelSource("own_models:empty"), 3, PLACES))
    assert has_splits("own_models:batches")
    assert not has_splits("own_models:pairs")
