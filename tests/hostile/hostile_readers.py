"""The ways by which the workflow reads what others made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from hostile_world import Reader
from photo_files import settings
from toy_bert import TINY
from toys import CLIP, PRETRAINED_VIT, RESNET

from sharpness.checkpoints import formats
from sharpness.checkpoints.convert import download_checkpoint
from sharpness.checkpoints.table import PublishedModel
from sharpness.data.load import load_dataset
from sharpness.data.locate import locate, read_record
from sharpness.io.files import write_json
from sharpness.networks import build
from sharpness.studies.hammoud.pool import read_examples as read_small

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "augreg": PRETRAINED_VIT,
    "soups": CLIP,
    "bert": TINY,
    "cifar10-released": RESNET,
}
NAMES = {
    "augreg": "model.npz",
    "soups": "model.pt",
    "bert": "pytorch_model.bin",
    "cifar10-released": "model.pth",
}
PHOTOS = {"name": "photos", "recipe": "clip", "size": 8}
SMALL = {"cora": "gat", "abalone": "fcnn", "fashion-mnist": "lenet"}


def published(form: str, given: Path) -> Path:
    """Where the mirror of a case has the file of a published model."""
    path = given / "mirror" / "host.example" / "models" / NAMES[form]
    path.parent.mkdir(parents=True)
    return path


def genuine(form: str, given: Path) -> Path:
    """A whole file of a published model, to be spoilt."""
    path = published(form, given)
    formats.write(form, path, weights(form), ARCHITECTURES[form])
    return path


def weights(form: str) -> dict[str, Any]:
    """What a model of this format may have learned."""
    random = np.random.default_rng(0)
    places = build(ARCHITECTURES[form]).state_dict()
    return {name: random.normal(size=t.shape).astype(t.numpy().dtype) for name, t in places.items()}


def obtained(form: str) -> Reader:
    """Download, verification, conversion."""

    def read(path: Path, work: Path) -> None:
        member = PublishedModel(
            model="m", parameters={}, url=f"https://host.example/models/{NAMES[form]}"
        )
        out = work / "m.safetensors"
        places: dict[str, Any] = {"cache": work / "cache", "mirror": path.parents[2]}
        try:
            download_checkpoint(
                member,
                form,
                ARCHITECTURES[form],
                out,
                **places,
                offline=True,
                standin=False,
                keep=False,
            )
        finally:
            assert not out.exists()

    return read


def loaded(name: str, key: str = "file", split: str = "test") -> Reader:
    """Finding, unpacking, the record, and every example."""

    def read(path: Path, work: Path) -> None:
        inputs: dict[str, Any] = PHOTOS
        given = {key: str(path)}
        if name in ("mnli", "hans-lexical"):
            vocabulary = work / "vocab.txt"
            vocabulary.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n")
            found = locate("bert-vocabulary", settings(work, file=str(vocabulary)))
            inputs = {"name": "tokens", "length": 8, "vocabulary": found}
        record = _found(name, given, work)
        if name in SMALL:
            read_small(SMALL[name], record, None)
        else:
            for _ in load_dataset(name, split, record, inputs).batches(4):
                pass

    return read


def unpacked(name: str) -> Reader:
    """An archive of photos, of which nothing may stay."""

    def read(path: Path, work: Path) -> None:
        try:
            _found(name, {"file": str(path)}, work)
        finally:
            place = work / "cache" / "unpacked"
            left = list(place.iterdir()) if place.is_dir() else []
            assert [p.name for p in left if p.suffix != ".lock"] == []

    return read


def _found(name: str, given: dict[str, str], work: Path) -> dict[str, Any]:
    record = locate(name, settings(work, **given))
    write_json(work / f"{name}.json", record)
    return read_record(work / f"{name}.json")


def cuts(length: int) -> Iterator[int]:
    """Where files are cut off: at once, in the first bytes, in the middle and near the end."""
    yield from (0, 1, 7, 30, length // 3, length // 2, length - 100, length - 1)
