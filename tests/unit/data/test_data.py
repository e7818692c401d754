"""Data sets: the digits, and files in the publishers' own formats, whole, damaged and hostile."""

from __future__ import annotations

import hashlib
import io
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from photo_files import settings, tar, write_files
from PIL import Image
from refusal import refused

from sharpness.data import cifar
from sharpness.data import locate as locating
from sharpness.data.images import Images
from sharpness.data.load import load_dataset
from sharpness.data.locate import locate
from sharpness.data.small import CORRUPTIONS, digits, digits_c
from sharpness.data.unpack import BATCHES
from sharpness.data.unpack import CORRUPTIONS as PUBLISHED_CORRUPTIONS
from sharpness.io.download import Download

# -- a set of images


def tiny(n: int = 6) -> Images:
    pixels = np.arange(n * 2 * 4, dtype=np.uint8).reshape(n, 2, 2, 2)
    labels = torch.arange(n) % 3
    return Images(torch.from_numpy(pixels), labels, (0.5, 0.25), (0.1, 0.2), True, "tiny", 3)


def test_normalization_is_per_channel() -> None:
    images = tiny()
    expected = images.pixels.double().numpy() / 255
    expected = (expected - np.reshape([0.5, 0.25], (2, 1, 1))) / np.reshape([0.1, 0.2], (2, 1, 1))
    inputs = images.normalized()
    assert inputs.dtype == torch.float32
    np.testing.assert_allclose(inputs.numpy(), expected, atol=1e-6)
    assert torch.equal(images.normalized(images.pixels[2:4]), inputs[2:4])


def test_subsets_keep_pairs_and_order() -> None:
    images = tiny()
    for index in ([4, 1], torch.tensor([4, 1])):
        part = images.subset(index)
        assert part.labels.tolist() == [1, 1]
        assert torch.equal(part.pixels, images.pixels[[4, 1]])
    assert len(images.subset(slice(2, None))) == 4


def test_the_digest_names_pixels_and_labels() -> None:
    images = tiny()
    assert images.digest() == tiny().digest()
    assert len(images.digest()) == 16
    other = images.pixels.clone()
    other[0, 0, 0, 0] += 1
    changed = [
        replace(images, pixels=other),
        replace(images, labels=2 - images.labels),
        images.subset([1, 0, 2, 3, 4, 5]),
        images.subset(slice(0, 5)),
    ]
    assert len({images.digest(), *(each.digest() for each in changed)}) == 5


def test_tensors_that_do_not_fit_are_refused() -> None:
    whole, labels = torch.zeros(2, 2, 4, 4, dtype=torch.uint8), torch.tensor([0, 1])
    for pixels, classes in (
        (whole.float(), labels),
        (whole, labels.new_zeros(3)),
        (whole, labels.float()),
        (whole, labels * 3),
        (whole.new_zeros(2, 3, 4, 4), labels),
    ):
        with refused("tiny"):
            replace(tiny(), pixels=pixels, labels=classes)


# -- digits


def test_digits_are_split_once_and_for_all() -> None:
    train, test = digits("train"), digits("test")
    assert (len(train), len(test)) == (1000, 797)
    assert train.pixels.shape == (1000, 1, 8, 8)
    assert not train.flip
    for part in (train, test):
        counts = part.labels.bincount(minlength=10) / len(part)
        assert ((counts - 0.1).abs() < 0.02).all()
        assert set(part.pixels.unique().tolist()) <= {round(i * 255 / 16) for i in range(17)}
    both = torch.cat([train.pixels, test.pixels]).flatten(1)
    assert len(both.unique(dim=0)) == 1797  # the source has no image twice, nor have the parts
    inputs = train.normalized().double()
    assert abs(inputs.mean()) < 1e-5
    assert abs(inputs.std(correction=0) - 1) < 1e-5
    assert (train.mean, train.std) == (test.mean, test.std)
    # The data decide every later number: a new release of a dependency must not move the split.
    assert (train.digest(), test.digest()) == ("05fca2e5b8965308", "52d8810dc84db61e")


def test_corrupted_digits_are_the_test_digits_five_times() -> None:
    clean, corrupted = digits("test"), digits_c()
    assert corrupted.title == "digits-c"
    assert corrupted.labels.tolist() == clean.labels.tolist() * 5
    assert corrupted.digest() == digits_c().digest()
    # Each kind by a property of its own.
    parts = dict(zip(CORRUPTIONS, corrupted.pixels.double().split(797), strict=True))
    pixels = clean.pixels.double()
    assert 55 < (parts["gaussian_noise"] - pixels)[(pixels > 100) & (pixels < 160)].std() < 75
    assert torch.allclose(parts["blur"].mean((1, 2, 3)), pixels.mean((1, 2, 3)), atol=6)
    assert (parts["blur"].diff().abs().mean() < 0.7 * pixels.diff().abs().mean()).all()
    assert torch.equal(parts["contrast"], (40 + pixels * 0.6).round())
    changed = parts["occlusion"] != pixels
    assert (parts["occlusion"][changed] == 255).all()
    assert set(changed.sum((1, 2, 3)).tolist()) <= set(range(1, 10))
    moved = (parts["rotation"] - pixels).abs()
    assert moved[..., 3:5, 3:5].mean() < moved.mean()


def test_corruptions_mislead_a_classifier_by_degrees() -> None:
    """A nearest neighbour errs far more often than on clean digits, yet stays far from guessing."""
    train, test, corrupted = digits("train"), digits("test"), digits_c()

    def wrong(images: Images) -> torch.Tensor:
        distance = torch.cdist(images.pixels.flatten(1).float(), train.pixels.flatten(1).float())
        return (train.labels[distance.argmin(1)] != images.labels).double()

    clean = wrong(test).mean()
    assert clean < 0.03
    by_kind = wrong(corrupted).view(5, -1).mean(1)
    assert by_kind.mean() > 5 * clean
    assert clean <= by_kind.min() <= by_kind.max() < 0.5


# -- CIFAR-10: the published archive


def python2_batch(pixels: np.ndarray, labels: list[int], title: str) -> bytes:
    """A batch as Python 2 pickled it: byte strings, protocol 2, NumPy's old module names."""

    def text(value: str) -> bytes:
        return b"U" + bytes([len(value)]) + value.encode()

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01" + number(pixels.shape[0]) + number(pixels.shape[1]) + b"\x86"
        b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN" + number(-1) * 2 + b"K\x00tb\x89"
        b"T" + struct.pack("<i", pixels.size) + pixels.tobytes() + b"tb"
    )
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    names = b"](" + b"".join(text(f"image_{i}.png") for i in range(len(labels))) + b"e"
    return (
        b"\x80\x02}("
        + (text("batch_label") + text(title))
        + (text("labels") + numbers)
        + (text("data") + array)
        + (text("filenames") + names)
        + b"u."
    )


def cifar_members(per_batch: int = 4) -> tuple[dict[str, bytes], np.ndarray, list[int]]:
    """Six members out of order, as in the published archive, and what they hold in order."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (6 * per_batch, 3072), np.uint8)
    labels = random.integers(0, 10, 6 * per_batch).tolist()
    members = {"cifar-10-batches-py/batches.meta": b"\x80\x02}."}
    for i in (3, 5, 2, 1, 4, 0):
        rows = slice(i * per_batch, (i + 1) * per_batch)
        name = f"data_batch_{i + 1}" if i < 5 else "test_batch"
        members[f"cifar-10-batches-py/{name}"] = python2_batch(pixels[rows], labels[rows], name)
    return members, pixels, labels


def digests(members: dict[str, bytes]) -> dict[str, str]:
    """The MD5 of each batch, as the published ones are known."""
    files = {name.rpartition("/")[2]: content for name, content in members.items()}
    return {name: hashlib.md5(files[name]).hexdigest() for name in BATCHES}


PINNED = digests(cifar_members()[0])


def test_the_published_archive_is_read_in_its_own_order(tmp_path: Path) -> None:
    members, pixels, labels = cifar_members()
    archive = tmp_path / "cifar-10-python.tar.gz"
    archive.write_bytes(tar(members, "gz"))
    for split, rows in (("train", slice(0, 20)), ("test", slice(20, 24))):
        images = cifar.read_archive([archive], split, PINNED)
        assert torch.equal(images.pixels.flatten(1), torch.from_numpy(pixels[rows]))
        assert images.labels.tolist() == labels[rows]
        assert (images.title, images.classes, images.flip) == ("CIFAR-10", 10, True)
        assert images.mean == (0.4914, 0.4822, 0.4465)
        assert images.std == (0.2023, 0.1994, 0.2010)
    assert list(tmp_path.iterdir()) == [archive]
    # A member that is not the published one, or not there.
    with refused("is not the published file", "data.cifar10.file"):
        cifar.read_archive([archive], "train")
    assert BATCHES["data_batch_1"] == "c99cafc152244af753f735de768cd75f"
    assert BATCHES["test_batch"] == "40351d587109b95175f43aff81a1287e"
    del members["cifar-10-batches-py/data_batch_3"]
    archive.write_bytes(tar(members, "gz"))
    with refused("lacks data_batch_3"):
        cifar.read_archive([archive], "train", PINNED)
    assert len(cifar.read_archive([archive], "test", PINNED)) == 4


# -- CIFAR-10: a prepared array file


def prepared_arrays(n: int = 12) -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    return {
        "images": random.integers(0, 256, (n, 32, 32, 3), np.uint8),
        "label": random.integers(0, 10, n, np.uint8),
        "is_test": np.arange(n) % 3 == 0,
    }


def pack(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The packed form, with a lossless format in place of JPEG."""
    files = []
    for image in arrays["images"]:
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "PNG")
        files.append(np.frombuffer(stream.getvalue(), np.uint8))
    return {
        "bytes": np.concatenate(files),
        "offset": np.cumsum([0, *map(len, files)]),
        "classes": np.array(["a", "b"]),
        "label": arrays["label"],
        "is_test": arrays["is_test"],
    }


@pytest.mark.parametrize("packed", [False, True])
def test_a_prepared_array_file_stands_in(tmp_path: Path, packed: bool) -> None:
    arrays = prepared_arrays()
    path = tmp_path / "cifar.npz"
    np.savez(path, **(pack(arrays) if packed else arrays))
    record = locate("cifar10", settings(tmp_path, file=str(path)))
    title = "CIFAR-10 (JPEG)" if packed else "CIFAR-10 (prepared)"
    assert (record["status"], record["title"]) == ("present", title)
    assert record["files"][0]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    for split, rows in (("train", ~arrays["is_test"]), ("test", arrays["is_test"])):
        images = load_dataset("cifar10", split, record)
        expected = arrays["images"][rows].transpose(0, 3, 1, 2)
        assert np.array_equal(images.pixels.numpy(), expected)
        assert images.labels.tolist() == arrays["label"][rows].tolist()
        assert images.title == title


def damaged() -> dict[str, dict[str, Any]]:
    arrays = prepared_arrays()
    packed: dict[str, Any] = pack(arrays)
    small = pack({**arrays, "images": arrays["images"][:, :16]})
    return {
        "no label": {key: value for key, value in arrays.items() if key != "label"},
        "pickled": {**arrays, "images": np.array([object()] * 12)},
        "float": {**arrays, "images": arrays["images"] / 255},
        "too few": {**arrays, "images": arrays["images"][:5]},
        "no image": {**packed, "bytes": packed["bytes"] * 0},
        "size": {**small, "label": arrays["label"]},
        "offset": {**packed, "offset": packed["offset"][:3]},
        "classes": {**arrays, "label": arrays["label"] + 50},
    }


@pytest.mark.parametrize("name", damaged())
def test_a_damaged_array_file_is_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / "cifar.npz"
    np.savez(path, **damaged()[name])
    with refused(path):
        cifar.read_prepared(path, "train")


# -- CIFAR-10-C


def corrupted_members(test: int) -> dict[str, np.ndarray]:
    """19 arrays whose rows tell where they come from, and labels that repeat five times."""
    names = [*PUBLISHED_CORRUPTIONS, "speckle_noise.npy", "spatter.npy"]
    members = {}
    for i, name in enumerate(sorted(names)):
        rows = np.zeros((5 * test, 32, 32, 3), np.uint8)
        rows[:, 0, 0, 0] = i
        rows[:, 0, 0, 1], rows[:, 0, 0, 2] = np.divmod(np.arange(5 * test), 256)
        rows[:, 5, 7, 1] = 99
        members[name] = rows
    members["labels.npy"] = np.tile(np.arange(test) % 10, 5)
    return members


def npy(array: np.ndarray, version: tuple[int, int] = (1, 0)) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version)
    return stream.getvalue()


def write_corrupted(tmp_path: Path, test: int, form: str) -> list[Path]:
    members = corrupted_members(test)
    if form == "folder":
        for name, array in members.items():
            np.save(tmp_path / name, array)
        return [tmp_path / name for name in members]
    contents = {  # in both versions of the format
        f"CIFAR-10-C/{name}": npy(array, (1 + i % 2, 0))
        for i, (name, array) in enumerate(members.items())
    }
    write_files(tmp_path, {"CIFAR-10-C.tar": tar(contents)})
    return [tmp_path / "CIFAR-10-C.tar"]


PAPER_ORDER = [
    *("shot_noise", "motion_blur", "snow", "pixelate", "gaussian_noise", "defocus_blur"),
    *("brightness", "fog", "zoom_blur", "frost", "glass_blur", "impulse_noise"),
    *("contrast", "jpeg_compression", "elastic_transform"),
]


@pytest.mark.parametrize("form", ["tar", "folder"])
def test_the_authors_selection(tmp_path: Path, form: str) -> None:
    test, first, kept = 60, 20, 200
    files = write_corrupted(tmp_path, test, form)
    images = cifar.read_cifar10c_selection(files, test, first, kept)
    stored = list(corrupted_members(1))
    order = np.random.RandomState(0).permutation(15 * first)[:kept]
    assert images.title == "CIFAR-10-C"
    assert len(images) == kept
    for position, pixels, label in zip(order, images.pixels, images.labels, strict=True):
        corruption, row = divmod(int(position), first)
        number, high, low = pixels[:, 0, 0].tolist()
        assert stored[number] == f"{PAPER_ORDER[corruption]}.npy"
        assert high * 256 + low == 4 * test + row
        assert label == row % 10
        assert pixels[1, 5, 7] == 99


def test_the_shuffle_is_the_one_on_record() -> None:
    """Known values of NumPy's legacy generator at seed 0: 15 × 1,000 images, 10,000 kept."""
    order = np.random.RandomState(0).permutation(15_000)
    assert order[:5].tolist() == [1670, 13379, 10234, 4719, 7003]
    assert order[9999] == 14720
    assert cifar.read_cifar10c_selection.__defaults__ == (10_000, 1_000, 10_000)


@pytest.mark.parametrize("form", ["tar", "folder"])
def test_the_whole_set(tmp_path: Path, form: str) -> None:
    images = cifar.read_cifar10c(write_corrupted(tmp_path, 6, form), 6)
    assert len(images) == 15 * 30
    assert images.pixels.is_contiguous()
    stored = list(corrupted_members(1))
    numbers = [stored.index(f"{name}.npy") for name in PAPER_ORDER]
    assert images.pixels[:, 0, 0, 0].tolist() == np.repeat(numbers, 30).tolist()
    assert images.pixels[:, 2, 0, 0].tolist() == list(range(30)) * 15
    assert images.labels.tolist() == list(range(6)) * 75


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("fog.npy", npy(np.zeros((30, 32, 32, 3))), "float64"),
        ("fog.npy", npy(np.zeros((29, 32, 32, 3), np.uint8)), "shape"),
        ("fog.npy", npy(np.asfortranarray(np.zeros((30, 32, 32, 3), np.uint8))), "shape"),
        ("fog.npy", npy(np.zeros((30, 32, 32, 3), np.uint8))[:-100], "ends too early"),
        ("fog.npy", b"nothing", "no readable array"),
        ("labels.npy", npy(np.zeros(10, np.int64)), "shape"),
        ("labels.npy", npy(np.array([object()] * 30)), "object"),
        ("frost.npy", None, "lacks frost.npy"),
    ],
)
def test_a_damaged_corruption_is_one_line(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    members = {member: npy(array) for member, array in corrupted_members(6).items()}
    changed = {key: value for key, value in {**members, name: content}.items() if value is not None}
    path = write_files(tmp_path, {"c.tar": tar(changed)}) / "c.tar"
    with refused(f"{path}: ", name, message):
        cifar.read_cifar10c_selection([path], 6, 6, 10)


# -- finding and loading


def test_an_archive_comes_from_the_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = tar(cifar_members()[0], "gz")
    digest, url = f"md5 {hashlib.md5(content).hexdigest()}", "host.example/cifar.tar.gz"
    row = Download("cifar10", f"https://{url}", len(content), digest, "", "")
    monkeypatch.setattr(locating, "download_named", lambda name: row)
    monkeypatch.setattr(cifar.read_archive, "__defaults__", (PINNED,))
    mirror, path = tmp_path / "mirror", tmp_path / "cache" / url
    given = settings(tmp_path, mirror=str(mirror))
    write_files(mirror, {url: content[::-1]})
    with refused("refused"):  # even offline
        locate("cifar10", given)
    write_files(mirror, {url: content})
    record = locate("cifar10", given)
    assert record["files"] == [{"path": str(path), "sha256": hashlib.sha256(content).hexdigest()}]
    assert len(load_dataset("cifar10", "train", record)) == 20
    assert len(load_dataset("cifar10", "test", record)) == 4
    path.write_bytes(content[:-4000])
    with refused("cannot be read", "; fetch it again"):
        load_dataset("cifar10", "train", record)


def test_unpacked_folders_serve_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar.read_archive, "__defaults__", (PINNED,))
    monkeypatch.setattr(cifar.read_cifar10c_selection, "__defaults__", (6, 6, 10))
    monkeypatch.setattr(cifar.read_cifar10c, "__defaults__", (6,))
    members = {name.rpartition("/")[2]: content for name, content in cifar_members()[0].items()}
    write_files(tmp_path, members)
    write_corrupted(tmp_path, 6, "folder")
    for name, files, n in (("cifar10", 6, 4), ("cifar10-c", 16, 10), ("cifar10-c-whole", 16, 450)):
        record = locate(name, settings(tmp_path, folder=str(tmp_path)))
        assert len(record["files"]) == files
        assert len(load_dataset(name, "test", record)) == n


def test_names_splits_and_records_are_checked(tmp_path: Path) -> None:
    with refused("data set 'mnist' is unknown"):
        locate("mnist", settings(tmp_path))
    record = locate("digits-c", settings(tmp_path))
    with refused("has no split 'train', only test"):
        load_dataset("digits-c", "train", record)
    with refused("the record is that of digits-c"):
        load_dataset("digits", "train", record)
