"""Photos: recipes against other implementations, order, labels and groups worked out by hand."""

from __future__ import annotations

import io
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from photo_files import CLASSES, imagenet, photo, photos, settings, tar, write_files
from PIL import Image
from refusal import refused
from torch.nn.functional import interpolate

from sharpness.data.listing import draw_sample, labelled, read_sample, write_sample
from sharpness.data.load import load_dataset
from sharpness.data.locate import locate
from sharpness.data.photos import Photos
from sharpness.data.recipes import CLIP_MEAN, CLIP_STD, Recipe

SIZES = [(300, 225), (31, 47), (8, 30), (5, 3), (11, 8), (13, 8)]
"""Width and height: larger and smaller than the result; margins of 1.5 and 2.5 pixels at size 8."""


def image(width: int, height: int, seed: int = 0) -> Image.Image:
    """Noise: every pixel matters."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def inputs(recipe: str = "augreg", size: int = 8, **given: Any) -> dict[str, Any]:
    return {"name": "photos", "recipe": recipe, "size": size, "threads": 1, **given}


# -- recipes


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("size", [8, 224])
def test_augreg_is_the_whole_image_between_minus_one_and_one(
    shape: tuple[int, int], size: int
) -> None:
    photo = image(*shape)
    found = Recipe("augreg", size)(photo)
    pixels = torch.from_numpy(np.asarray(photo).copy()).permute(2, 0, 1).double()[None]
    expected = interpolate(
        pixels, (size, size), mode="bilinear", align_corners=False, antialias=False
    )
    assert (found.dtype, found.shape) == (np.float32, (3, size, size))
    np.testing.assert_allclose(found, expected[0].numpy() / 127.5 - 1, atol=2e-4)
    flat = Recipe("augreg", size)(Image.new("RGB", shape, (0, 255, 51)))
    np.testing.assert_allclose(flat[:, 3, 3], [-1, 1, -0.6], atol=1e-6)


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("size", [8, 224])
@pytest.mark.parametrize("recipe", ["timm", "clip"])
def test_timm_and_clip_are_torchvisions_resize_and_centre(
    shape: tuple[int, int], size: int, recipe: str
) -> None:
    from torchvision import transforms

    assert CLIP_MEAN == (0.48145466, 0.4578275, 0.40821073)
    assert CLIP_STD == (0.26862954, 0.26130258, 0.27577711)
    short = {224: 248, 8: 8}[size] if recipe == "timm" else size
    half = (0.5, 0.5, 0.5)
    mean, std = (half, half) if recipe == "timm" else (CLIP_MEAN, CLIP_STD)
    published = transforms.Compose(
        [
            transforms.Resize(short, interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(size),
            transforms.ToTensor(),
            transforms.Normalize(mean, std),
        ]
    )
    photo = image(*shape)
    found = Recipe(recipe, size)(photo)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, published(photo).numpy(), atol=1e-6)


@pytest.mark.parametrize("recipe", ["augreg", "timm", "clip"])
def test_every_mode_becomes_rgb_before_anything_else(recipe: str) -> None:
    prepare = Recipe(recipe, 8)
    for mode in ("L", "CMYK", "P", "RGBA", "1"):
        odd = image(20, 30).convert(mode)
        np.testing.assert_array_equal(prepare(odd), prepare(odd.convert("RGB")))
    pixels = np.asarray(image(20, 30))  # transparency is dropped
    clear = Image.fromarray(np.concatenate([pixels, np.zeros((30, 20, 1), np.uint8)], axis=2))
    np.testing.assert_array_equal(prepare(clear), prepare(image(20, 30)))


@pytest.mark.parametrize("recipe", ["augreg", "timm", "clip"])
def test_the_border_goes_first(recipe: str) -> None:
    inner = image(16, 11)
    framed = Image.new("RGB", (20, 15), (255, 0, 0))
    framed.paste(inner, (2, 2))
    np.testing.assert_array_equal(Recipe(recipe, 8, border=2)(framed), Recipe(recipe, 8)(inner))
    with pytest.raises(ValueError, match="border"):
        Recipe(recipe, 8, border=2)(image(30, 4))


# -- batches


def some(root: Path, threads: int = 1) -> Photos:
    """Images of different sizes in one folder, with labels that tell them apart."""
    files = {f"a/{i:02}.png": photo(i, 5 + i, 20 - i) for i in range(11)}
    write_files(root, files)
    found = [(name, len(content)) for name, content in files.items()]
    return Photos("some", root, found, torch.arange(11), None, Recipe("augreg", 8), threads)


def test_batches_are_in_order_whatever_the_number_of_threads(tmp_path: Path) -> None:
    images = [Image.open(io.BytesIO(photo(i, 5 + i, 20 - i))) for i in range(11)]
    expected = torch.stack([torch.from_numpy(Recipe("augreg", 8)(each)) for each in images])
    for threads in (1, 4):
        batches = list(some(tmp_path, threads=threads).batches(4))
        assert [len(labels) for _, labels in batches] == [4, 4, 3]
        found = torch.cat([pixels for pixels, _ in batches if isinstance(pixels, torch.Tensor)])
        assert torch.equal(found, expected)
        assert torch.cat([labels for _, labels in batches]).tolist() == list(range(11))
    part = some(tmp_path, threads=4).subset(slice(3, 5))
    assert len(part) == 2
    ((pixels, labels),) = part.batches(64)
    assert torch.equal(pixels, expected[3:5])  # type: ignore[arg-type]
    assert labels.tolist() == [3, 4]
    assert not list(some(tmp_path).subset(slice(0, 0)).batches(4))


@pytest.mark.parametrize("size", [8, 32])
def test_small_inputs_are_decoded_once(tmp_path: Path, size: int) -> None:
    photos = replace(some(tmp_path).subset(slice(0, 2)), recipe=Recipe("augreg", size))
    ((first, _),) = photos.batches(2)
    write_files(tmp_path, {f"a/{i:02}.png": photo(i + 7, 5, 20) for i in range(2)})
    ((second, _),) = photos.subset(slice(0, 2)).batches(2)
    assert torch.equal(first, second) == (size == 8)  # type: ignore[arg-type]


def test_no_more_than_two_batches_are_decoded_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    original = Photos._read

    def counted(self: Photos, name: str) -> Any:
        read.append(name)
        return original(self, name)

    monkeypatch.setattr(Photos, "_read", counted)
    before = threading.active_count()
    batches = some(tmp_path, threads=4).batches(2)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
    assert len(read) <= 4


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP"])
def test_what_is_no_whole_image_is_named(tmp_path: Path, kind: str) -> None:
    """`hostile` has those that are no images at all."""
    content = photo(6, 64, 64, kind)
    for threads in (1, 4):
        chosen = some(tmp_path, threads=threads)
        (tmp_path / "a" / "06.png").write_bytes(content[: len(content) // 2])
        with refused("a/06.png: is no whole image"):
            list(chosen.batches(4))
    (tmp_path / "a" / "06.png").unlink()
    with refused("a/06.png: is no whole image"):
        list(chosen.batches(4))


def test_the_digest_names_files_labels_and_recipe(tmp_path: Path) -> None:
    first = some(tmp_path)
    assert first.digest() == some(tmp_path).digest()
    assert len(first.digest()) == 16
    changes: list[dict[str, Any]] = [
        {"files": [*first.files[:-1], ("a/10.png", 1)]},
        {"files": [*first.files[:-1], ("a/11.png", first.files[-1][1])]},
        {"files": first.files[::-1]},
        {"labels": first.labels.flip(0)},
        {"groups": tuple((k,) for k in range(11))},
        *({"recipe": r} for r in (Recipe("timm", 8), Recipe("augreg", 16), Recipe("augreg", 8, 2))),
    ]
    digests = {replace(first, **change).digest() for change in changes}
    digests |= {first.digest(), first.subset(slice(0, 10)).digest()}
    assert len(digests) == len(changes) + 2
    elsewhere = replace(first, folder=Path("/elsewhere"), title="other", threads=4)
    assert elsewhere.digest() == first.subset(slice(0, 11)).digest() == first.digest()


# -- what folders mean


def test_labels_and_groups_by_hand() -> None:
    assert labelled(CLASSES, "wnid", CLASSES) == ({w: k for k, w in enumerate(CLASSES)}, None)
    # The folders' own order has no influence: labels follow the logits.
    assert labelled(CLASSES[::-1], "wnid", CLASSES) == labelled(CLASSES, "wnid", CLASSES)
    some = [CLASSES[3], CLASSES[1]]
    assert labelled(some, "wnid", CLASSES) == ({CLASSES[1]: 0, CLASSES[3]: 1}, ((1,), (3,)))
    # A class that the network does not know is left out.
    assert labelled(some, "wnid", CLASSES[:3]) == ({CLASSES[1]: 0}, ((1,),))
    # Numbers are logits, and 10 comes after 2.
    labels, groups = labelled(["0", "1", "10", "2"], "number", ["w"] * 12)
    assert labels == {"0": 0, "1": 1, "2": 2, "10": 3}
    assert groups == ((0,), (1,), (2,), (10,))
    assert labelled(["1", "0"], "number", ["w"] * 2) == ({"0": 0, "1": 1}, None)
    # ObjectNet's alarm clock is an analog or a digital clock.
    labels, groups = labelled(["alarm_clock", "backpack", "tie"], "objectnet", CLASSES)
    assert labels == {"alarm_clock": 0, "backpack": 1}
    assert groups == ((0, 2), (1,))
    assert labelled(["alarm_clock"], "objectnet", CLASSES[1:])[1] == ((1,),)


def test_classes_that_do_not_fit_are_refused() -> None:
    with refused("class folder 4: the network has only 4 classes"):
        labelled(["0", "4"], "number", CLASSES)
    with refused("none of the 1 class folders"):
        labelled(["tie"], "objectnet", CLASSES)


# -- loading


def present(tmp_path: Path, name: str, folder: Path, **given: Any) -> dict[str, Any]:
    record = locate(name, settings(tmp_path, folder=str(folder), standin="data.json", **given))
    assert record["status"] == "present"
    return record


def test_the_held_out_images_are_loaded_and_not_drawn(tmp_path: Path) -> None:
    path, held = tmp_path / "index.npy", np.arange(12) % 5 == 1
    np.save(path, held)
    root = imagenet(tmp_path / "in1k")
    record = present(tmp_path, "imagenet-2p", root, holdout=str(path))
    found = load_dataset("imagenet-2p", "test", record, inputs())
    assert isinstance(found, Photos)
    everything = [f"{wnid}/{i}.JPEG" for wnid in CLASSES for i in range(3)]
    out = [name for name, chosen in zip(everything, held, strict=True) if chosen]
    assert [name for name, _ in found.files] == out
    assert found.labels.tolist() == [0, 2, 3]
    with refused("has no split 'train'"):
        load_dataset("imagenet-2p", "train", record, inputs())
    record, sample = present(tmp_path, "imagenet", root, holdout=str(path)), tmp_path / "sample.csv"
    write_sample(sample, "imagenet", record, examples=100, seed=0)
    draw_sample = {row["file"] for row in read_sample(sample, ("file", "label"))}
    assert draw_sample == {*everything} - {*out}


def test_objectnet_is_loaded_for_the_classes_of_the_network(tmp_path: Path) -> None:
    """The tests of the stand-ins have the other sets."""
    folders = ["alarm_clock", "baking_sheet", "banana", "tie"]
    root = write_files(tmp_path / "data", photos(folders, 2))
    record = present(tmp_path, "objectnet", root)
    found = load_dataset("objectnet", "test", record, inputs(classes=CLASSES))
    assert isinstance(found, Photos)
    assert (found.labels.tolist(), found.groups) == ([0, 0, 1, 1], ((0, 2), (3,)))
    pixels, _ = next(found.batches(2))
    first = Recipe("augreg", 8, border=2)(Image.open(root / found.files[0][0]))
    assert torch.equal(pixels[0], torch.from_numpy(first))  # type: ignore[index]
    # Where nobody has ImageNet, the network is one of its 1000 classes.
    full = load_dataset("objectnet", "test", record, inputs())
    assert full.groups == ((409, 530), (457, 906), (954,))


def test_training_images_are_loaded_without_test_images(tmp_path: Path) -> None:
    root = imagenet(tmp_path / "in1k")
    shutil.rmtree(root / "val")
    record = present(tmp_path, "imagenet", root)
    assert len(load_dataset("imagenet", "train", record, inputs())) == 12
    write_sample(tmp_path / "sample.csv", "imagenet", record, examples=5, seed=0)
    sampled = {**record, "sample": str(tmp_path / "sample.csv")}
    assert len(load_dataset("imagenet", "train", sampled, inputs())) == 5
    with refused("no split 'test', only train; ", "data/imagenet.json"):
        load_dataset("imagenet", "test", record, inputs())


def test_what_has_changed_or_is_gone_is_named_with_its_remedy(tmp_path: Path) -> None:
    again = "remove data/{}.json in the results folder and run again"
    archive = tmp_path / "a.tar"
    archive.write_bytes(tar(photos([CLASSES[0], CLASSES[3]], 2)))
    record = locate("imagenet-a", settings(tmp_path, file=str(archive), standin="data.json"))
    shutil.rmtree(record["folder"])
    with refused(record["folder"], again.format("imagenet-a")):
        load_dataset("imagenet-a", "test", record, inputs(classes=CLASSES))
    root, again = imagenet(tmp_path / "in1k"), again.format("imagenet")
    record, path = present(tmp_path, "imagenet", root), tmp_path / "sample.csv"
    (root / "val" / CLASSES[0] / "1.JPEG").unlink()
    with refused("has changed since it was found", again):
        load_dataset("imagenet", "test", record, inputs())
    sampled = {**record, "sample": str(path)}
    with refused("sample.csv: is not there, though it is needed"):
        load_dataset("imagenet", "train", sampled, inputs())
    write_sample(path, "imagenet", record, examples=12, seed=0)
    (root / "train" / CLASSES[0] / "1.JPEG").unlink()
    with refused("1.JPEG: no such image; ", again):
        load_dataset("imagenet", "train", sampled, inputs())
    shutil.rmtree(root / "train" / CLASSES[0])
    with refused(f"{root / 'train' / CLASSES[0]}: ", again):
        write_sample(path, "imagenet", record, examples=12, seed=0)


def test_inputs_that_do_not_fit_are_one_line(tmp_path: Path) -> None:
    record = present(tmp_path, "imagenet", imagenet(tmp_path / "in1k"))
    for given in (None, {"name": "tokens", "length": 4}):
        with refused("needs `inputs` named 'photos'"):
            load_dataset("imagenet", "test", record, given)
    with refused("recipe 'jax' is unknown; one of augreg, timm, clip"):
        load_dataset("imagenet", "test", record, inputs("jax"))
    missing = locate("imagenet", settings(tmp_path))
    with refused("data set imagenet is missing: ", "data.imagenet.folder"):
        load_dataset("imagenet", "test", missing, inputs())


# -- samples


def test_a_sample_is_seeded_and_the_training_set_is_its_rows(tmp_path: Path) -> None:
    record = present(tmp_path, "imagenet", imagenet(tmp_path / "in1k", train=20))
    path = tmp_path / "imagenet-sample.csv"
    write_sample(path, "imagenet", record, examples=30, seed=0)
    first, rows = path.read_bytes(), read_sample(path, ("file", "label"))
    assert len({row["file"] for row in rows}) == 30
    assert len({row["label"] for row in rows[:12]}) > 2  # mixed, not class by class
    sampled = {**record, "sample": str(path)}
    train = load_dataset("imagenet", "train", sampled, inputs())
    assert isinstance(train, Photos)
    assert [name for name, _ in train.files] == [row["file"] for row in rows]
    assert train.labels.tolist() == [int(row["label"]) for row in rows]
    assert all(CLASSES[int(row["label"])] == row["file"].split("/")[0] for row in rows)
    assert len(load_dataset("imagenet", "test", sampled, inputs())) == 8
    write_sample(path, "imagenet", record, examples=30, seed=1)
    assert path.read_bytes() != first
    # A larger sample begins with the smaller one; a too large one is all there is.
    write_sample(path, "imagenet", record, examples=1000, seed=0)
    assert path.read_bytes().startswith(first)
    assert len(read_sample(path, ("file", "label"))) == 80


ORDER = ["n/3", "n/5", "n/0", "n/4", "n/1", "n/2"]
"""By ``printf 0/n/3 | sha256sum``: 1fadc7…, 3d52b0…, 494bad…, 87a870…, aa0fe5…, e10b3c…"""


def test_the_order_is_on_record() -> None:
    """SHA-256 of seed and name, so that no library and no platform can move it."""
    rows = [{"file": f"n/{i}"} for i in range(6)]
    assert [row["file"] for row in draw_sample(rows, "file", 6, 0)] == ORDER
    assert [row["file"] for row in draw_sample(rows[::-1], "file", 3, 0)] == ORDER[:3]
    fewer = [row for row in rows if row["file"] != ORDER[0]]
    assert [row["file"] for row in draw_sample(fewer, "file", 6, 0)] == ORDER[1:]


def test_a_list_of_another_copy_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "sample.csv"
    write_sample(path, "imagenet", locate("imagenet", settings(tmp_path)), 10, 0)
    assert path.read_text() == "file,label\n"  # of a missing set
    record = present(tmp_path, "imagenet", imagenet(tmp_path / "in1k"))
    for row, message in (
        ("", "sample.csv: is no list of file, label; remove it and run"),
        (f"{CLASSES[0]}/0.JPEG,1\n", "has label '1'"),
        ("n01440764/0.JPEG,0\n", "has label '0'"),
        (f"{CLASSES[0]}/99.JPEG,0\n", "no such image"),
    ):
        path.write_text(f"file,label\n{row}")
        with refused(message):
            load_dataset("imagenet", "train", {**record, "sample": str(path)}, inputs())
