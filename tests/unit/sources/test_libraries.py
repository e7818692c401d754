"""Models of timm, torchvision, transformers and open_clip: built, saved, and built again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from own_models import PLACES, image_folder
from refusal import refused
from safetensors.torch import save_file
from torch import Tensor, nn

from sharpness.data.batches import call, logits_of
from sharpness.sources.data import OwnData, open_data
from sharpness.sources.grammar import ModelSource
from sharpness.sources.models import LoadedModel, load_model, reload_model, save_model

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "a", "film"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> OwnData:
    folder = image_folder(tmp_path_factory.mktemp("pictures") / "train")
    return OwnData({"train": open_data(f"imagefolder:{folder}", "train", PLACES)})


def logits(loaded: LoadedModel, data: OwnData) -> Tensor:
    examples, _ = data.for_model(loaded)
    inputs, _ = next(iter(examples["train"].batches(4)))
    with torch.no_grad():
        return logits_of(call(loaded.model, inputs))


def again(loaded: LoadedModel, tmp_path: Path) -> LoadedModel:
    save_model(loaded, tmp_path / "a.safetensors", {"model": "a"})
    return reload_model(tmp_path / "a.safetensors", PLACES)


@pytest.mark.parametrize(
    ("name", "library"),
    [
        ("timm:test_vit", "timm"),
        ("torchvision:squeezenet1_1", "torchvision"),
        ("torchvision:mnasnet0_5", "torchvision"),  # wants to know the version of its state
    ],
)
def test_random_models_have_the_classes_of_the_data_and_are_built_again(
    name: str, library: str, pictures: OwnData, tmp_path: Path
) -> None:
    loaded = load_model(ModelSource(name, seed=1), 3, PLACES)
    found = logits(loaded, pictures)
    assert found.shape == (4, 3)
    assert loaded.origin == "random weights (seed 1)"
    assert loaded.preparation().description["library"] == library
    assert torch.equal(logits(again(loaded, tmp_path), pictures), found)
    other = load_model(ModelSource(name, seed=2), 3, PLACES)
    assert not torch.equal(logits(other, pictures), found)


def test_a_seed_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    load_model(ModelSource("timm:test_vit", seed=1), 3, PLACES)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("timm:test_vitt", "did you mean 'test_vit'"),
        ("torchvision:resnet19", "no such classifier"),
        ("torchvision:resnet18@V9", "no such weights"),
        ("torchvision:maskrcnn_resnet50_fpn", "no such classifier"),
        ("open_clip:ViT-B-33", "no such architecture"),
        ("open_clip:ViT-B-32", "features, not logits"),
        ("hf:nobody/nothing-here", "no folder and not in the hub's cache"),
        ("own_models:no_model", "returned a int"),
    ],
)
def test_models_that_cannot_be_built(name: str, said: str) -> None:
    with refused(name, said):
        load_model(ModelSource(name), 3, PLACES)


def test_pretrained_weights_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    with refused("torchvision:resnet18", "resnet18-", "no network"):
        load_model(ModelSource("torchvision:resnet18", pretrained=True), 3, PLACES)
    with refused("timm:test_vit", "`offline` is set"):
        load_model(ModelSource("timm:test_vit", pretrained=True), None, PLACES)


def bert_folder(folder: Path, **more: object) -> Path:
    from transformers import BertConfig

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 32, "max_position_embeddings": 40}
    BertConfig(vocab_size=len(WORDS), **sizes, **more).save_pretrained(folder)
    return folder


@pytest.fixture
def sentences(tmp_path: Path) -> OwnData:
    path = tmp_path / "sentences.csv"
    path.write_text("sentence,label\n" + "a good film,good\na bad,bad\n" * 4)
    return OwnData({"train": open_data(f"csv:{path}", "train", PLACES)})


def test_a_sequence_classifier_of_a_folder(tmp_path: Path, sentences: OwnData) -> None:
    folder = bert_folder(tmp_path / "bert")
    loaded = load_model(ModelSource(f"hf:{folder}"), 2, PLACES)
    with refused("tokenizer has no vocabulary", "vocab.txt"):
        sentences.for_model(loaded)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    found = logits(loaded, sentences)
    assert found.shape == (4, 2)
    assert torch.equal(logits(again(loaded, tmp_path), sentences), found)


def test_weights_of_a_folder_that_lack_a_head_are_refused(
    tmp_path: Path, sentences: OwnData
) -> None:
    from transformers import BertConfig, BertForSequenceClassification, BertModel

    folder = bert_folder(tmp_path / "bert", id2label={0: "good", 1: "bad"})
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    config = BertConfig.from_pretrained(folder)
    BertModel(config).save_pretrained(folder)
    with refused("its weights lack classifier.bias", "fine-tuned"):
        load_model(ModelSource(f"hf:{folder}", pretrained=True), None, PLACES)
    BertForSequenceClassification(config).save_pretrained(folder)
    loaded = load_model(ModelSource(f"hf:{folder}", pretrained=True), None, PLACES)
    examples, how = sentences.for_model(loaded)
    assert "names of the outputs" in how
    labels = next(iter(examples["train"].batches(8)))[1]
    assert torch.equal(labels, 1 - sentences.parts["train"].labels)  # "bad" is output 1


def test_a_tower_of_open_clip_with_the_head_of_a_checkpoint(
    tmp_path: Path, pictures: OwnData
) -> None:
    import open_clip

    tower = open_clip.create_model("ViT-S-32-alt", pretrained=None)
    state = {f"model.{name}": value for name, value in tower.state_dict().items()}
    path = tmp_path / "soup.safetensors"
    save_file(state, path)
    source = ModelSource("open_clip:ViT-S-32-alt", str(path))
    with refused(path, "no linear head"):
        load_model(source, 3, PLACES)
    head = nn.Linear(256, 3)
    extra = {f"classification_head.{name}": value for name, value in head.state_dict().items()}
    save_file({**state, **extra}, path)
    loaded = load_model(source, 3, PLACES)
    examples, _ = pictures.for_model(loaded)
    inputs, _ = next(iter(examples["train"].batches(2)))
    with torch.no_grad():
        expected = head(tower.eval().visual(inputs))
        assert torch.allclose(loaded.model(inputs), expected, atol=1e-5)
    assert re.search("CLIP|open_clip", str(loaded.preparation().description))
