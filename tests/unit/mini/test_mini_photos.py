"""Digits in place of ImageNet and its shifts: same bytes, right places, read as they were meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from photo_files import listed
from PIL import Image
from sklearn.neighbors import NearestCentroid

from sharpness.data.listing import imagenet_wnids, objectnet_wnids
from sharpness.data.load import load_dataset
from sharpness.data.locate import locate
from sharpness.mini.data_sets import digests
from sharpness.mini.photo_files import AUGREG, CLIP, objectnet_folders, to_images, write_photos
from sharpness.mini.shifts import (
    ADVERSARIAL,
    CLASSES,
    SHIFTS,
    DigitImages,
    digits_of,
    groups,
    held_out,
    shifted,
)

FOLDERS = {"train": "imagenet", "test": "imagenet", "heldout": "imagenet"}
FOLDERS |= {"sketch": "imagenet-sketch", "objectnet": "objectnet"}
SETS = {"train": "imagenet", "test": "imagenet", "heldout": "imagenet-2p", "objectnet": "objectnet"}
SETS |= {part: f"imagenet-{part}" for part in ("v2", "r", "a", "sketch")}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("standin")
    write_photos(folder)
    listed(folder)
    return folder


def record(work: Path, part: str) -> dict[str, Any]:
    """Where the workflow finds the set of a part."""
    folders, settings = work / "folders", dict.fromkeys(("file", "folder", "holdout"))
    settings |= {"cache": work / "cache", "mirror": work / "mirror"}
    settings |= {"offline": True, "standin": str(work / "data.json")}
    if part in FOLDERS:
        settings["folder"] = folders / FOLDERS[part]
    if FOLDERS.get(part) == "imagenet":
        settings["holdout"] = folders / "imagenet_98_idxs.npy"
    return locate(SETS[part], settings)


def wanted(part: str) -> tuple[DigitImages, np.ndarray]:
    """The images of a part in the order of their class folders, and their classes."""
    plain = digits_of("train").where(held_out()) if part == "heldout" else digits_of(part)
    number = {digit: k for k, digits in enumerate(groups(part)) for digit in digits}
    classes = np.array([number[label] for label in plain.labels])
    named = objectnet_folders() if part == "objectnet" else CLASSES
    order = np.argsort([named[label] for label in plain.labels], kind="stable")
    return DigitImages(plain.pixels[order], plain.labels[order]), classes[order]


@pytest.mark.parametrize("part", SETS)
def test_the_workflow_reads_what_the_trainings_see(work: Path, part: str) -> None:
    found, (images, kinds) = record(work, part), wanted(part)
    whole = [(digit,) for digit in range(10)]
    for recipe, preparation in (("augreg", AUGREG), ("clip", CLIP)):
        inputs = {"name": "photos", "recipe": recipe, "size": 8, "threads": 1, "classes": CLASSES}
        examples = load_dataset(SETS[part], "train" if part == "train" else "test", found, inputs)
        (pixels, labels) = next(iter(examples.batches(len(examples))))
        expected = to_images(images, preparation, part).normalized()
        torch.testing.assert_close(pixels, expected, rtol=0, atol=2e-6)
        assert labels.tolist() == kinds.tolist()
        assert examples.groups == (None if groups(part) == whole else tuple(groups(part)))


def test_the_same_bytes_each_time(work: Path, tmp_path: Path) -> None:
    stale = tmp_path / "folders" / "imagenet" / "train" / CLASSES[0] / "stale.png"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"")
    write_photos(tmp_path)
    assert digests(tmp_path) == digests(work)
    assert {f"folders/{name}" for name in FOLDERS.values()} < digests(work).keys()


def test_classes_are_ten_of_imagenet_in_its_order_and_two_share_a_folder_of_objectnet() -> None:
    known = {wnid for wnids in objectnet_wnids().values() for wnid in wnids}
    assert len(set(CLASSES)) == 10
    assert set(CLASSES) <= known
    assert sorted(CLASSES, key=imagenet_wnids().index) == list(CLASSES)
    named = objectnet_folders()
    assert named[0] == named[5] == "alarm_clock"
    assert len(set(named.values())) == 9


def test_objectnet_has_a_red_frame_of_one_pixel(work: Path) -> None:
    folder = work / "folders" / "objectnet" / "images"
    path = sorted((folder / "alarm_clock").iterdir())[0]
    pixels = np.asarray(Image.open(path))
    assert pixels.shape == (12, 12, 3)
    frame = np.ones((12, 12), bool)
    frame[1:-1, 1:-1] = False
    assert (pixels[frame] == (255, 0, 0)).all()
    assert not (pixels[~frame] == (255, 0, 0)).all(axis=-1).any()
    assert not {path.name for path in folder.iterdir()} <= set(
        objectnet_wnids()
    )  # one that is foreign


@pytest.mark.filterwarnings("ignore:self.within_class_std_dev_")  # corners are always blank
def test_adversarial_images_are_natural_and_hard() -> None:
    train, test, hard = digits_of("train"), digits_of("test"), digits_of("a")
    rows = {(image.tobytes(), label) for image, label in zip(test.pixels, test.labels, strict=True)}
    assert {(i.tobytes(), k) for i, k in zip(hard.pixels, hard.labels, strict=True)} <= rows
    assert set(hard.labels) == set(ADVERSARIAL)
    rule = NearestCentroid().fit(train.pixels.reshape(len(train), -1), train.labels)
    errors = [(rule.predict(p.pixels.reshape(len(p), -1)) != p.labels).mean() for p in (test, hard)]
    assert errors[1] > 2 * errors[0] > 0


@pytest.mark.parametrize("part", SHIFTS)
def test_shifts_alter_every_image_and_depend_on_their_seed_alone(part: str) -> None:
    train = digits_of("train")
    one, again, other = (shifted(train, part, seed) for seed in (0, 0, 1))
    assert one.pixels.dtype == np.uint8
    assert (one.labels == train.labels).all()
    assert (one.pixels != train.pixels).any(axis=(1, 2)).all()
    assert (one.pixels == again.pixels).all()
    assert (part == "sketch") == bool((one.pixels == other.pixels).all())


def test_one_training_image_in_ten_is_held_out_of_every_class() -> None:
    labels = digits_of("train").labels
    share = np.bincount(labels[held_out()], minlength=10) / np.bincount(labels)
    assert held_out().sum() == len(labels) / 10
    assert (np.abs(share - 0.1) < 0.02).all()
