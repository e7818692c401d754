"""Resized photos are kept in one file: equal to the bit, made once, whole or made anew."""

from __future__ import annotations

import os
import shutil
import threading
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from photo_files import CLASSES, imagenet, photo, settings
from refusal import refused
from torch import Tensor, nn

from sharpness.data.load import load_dataset
from sharpness.data.locate import locate
from sharpness.data.photos import Photos
from sharpness.data.recipes import RECIPES
from sharpness.measures.error_rates import error_and_loss

SIDE = 40
"""An input of this side is larger than `photos.SMALL`, so nothing but the cache remembers it."""


def opened(tmp_path: Path, recipe: str = "clip", cache: str | None = "resized") -> Photos:
    """ImageNet's eight test images, in a folder that is the same each time."""
    root = tmp_path / "in1k"
    record = locate("imagenet", settings(tmp_path, folder=str(root), standin="data.json"))
    inputs = {"name": "photos", "recipe": recipe, "size": SIDE, "threads": 2}
    inputs["cache"] = cache and str(tmp_path / cache)
    found = load_dataset("imagenet", "test", record, inputs)
    assert isinstance(found, Photos)
    return found


def values(examples: Photos) -> Tensor:
    return torch.cat([pixels for pixels, _ in examples.batches(3)])  # type: ignore[misc]


@pytest.fixture
def jpegs(tmp_path: Path) -> Path:
    """Test images as JPEG, wide and tall."""
    root = imagenet(tmp_path / "in1k")
    for place, path in enumerate(sorted((root / "val").rglob("*.JPEG"))):
        path.write_bytes(photo(place, 50 + 7 * place, 90 - 5 * place, "JPEG"))
    return root


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "resized").glob("[!.]*"))


@pytest.mark.parametrize("recipe", RECIPES)
def test_inputs_and_error_rates_are_equal_to_the_bit(
    tmp_path: Path, jpegs: Path, recipe: str
) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE**2, len(CLASSES)))
    plain, kept = opened(tmp_path, recipe, None), opened(tmp_path, recipe)
    expected, rates = values(plain), error_and_loss(model, plain, 3)
    assert torch.equal(values(kept), expected)
    shutil.rmtree(jpegs / "val")  # from here on nothing can be decoded
    assert torch.equal(values(kept), expected)
    assert torch.equal(values(kept.subset(slice(2, 5))), expected[2:5])
    assert error_and_loss(model, kept, 3) == rates
    assert kept.digest() == plain.digest()  # which names the finished error rates


def test_another_job_reads_the_file_of_the_first(tmp_path: Path, jpegs: Path) -> None:
    expected, other = values(opened(tmp_path)), opened(tmp_path)
    (made,) = files(tmp_path)
    assert made.name.startswith("imagenet-test-clip-40-")
    assert made.stat().st_size < 8 * (3 * SIDE**2 + 4) + 300
    shutil.rmtree(jpegs / "val")
    assert torch.equal(values(other), expected)


def test_recipes_and_other_photos_have_a_file_each(tmp_path: Path, jpegs: Path) -> None:
    path = opened(tmp_path).cache.path  # type: ignore[union-attr]
    assert opened(tmp_path, "timm").cache.path != path  # type: ignore[union-attr]
    (jpegs / "val" / CLASSES[0] / "0.JPEG").write_bytes(photo(0, 5, 5))
    assert opened(tmp_path).cache.path != path  # type: ignore[union-attr]


def test_a_part_is_decoded_by_itself_where_the_whole_is_absent(tmp_path: Path, jpegs: Path) -> None:
    """Cells that are added to finished errors need few photos."""
    expected = values(opened(tmp_path, cache=None))
    assert torch.equal(values(opened(tmp_path).subset(slice(0, 3))), expected[:3])
    assert files(tmp_path) == []


@pytest.mark.parametrize("damage", ["cut off", "emptied", "another array", "no array"])
def test_a_file_that_is_not_whole_is_made_anew(
    tmp_path: Path, jpegs: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = values(opened(tmp_path))
    (made,) = files(tmp_path)
    content = made.read_bytes()
    if damage == "another array":
        np.save(made, np.zeros(8, np.uint8))
    else:
        left = {"cut off": content[:-1], "emptied": b"", "no array": b"PK" + content[2:]}
        made.write_bytes(left[damage])
    assert torch.equal(values(opened(tmp_path)), expected)
    assert f"{made}: is not whole, and is made anew" in capsys.readouterr().err
    assert made.read_bytes() == content


def test_a_changed_byte_is_noticed_when_its_photo_is_read(
    tmp_path: Path, jpegs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = values(opened(tmp_path))
    (made,) = files(tmp_path)
    content = made.read_bytes()
    made.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    kept = opened(tmp_path)
    assert torch.equal(values(kept), expected)
    assert f"{made}: is damaged at {CLASSES[-1]}/1.JPEG" in capsys.readouterr().err
    assert files(tmp_path) == []
    assert torch.equal(values(kept), expected)
    assert made.read_bytes() == content


def test_of_several_jobs_at_once_one_decodes(
    tmp_path: Path, jpegs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[str] = []
    original, barrier = Photos._decoded, threading.Barrier(3)

    def counted(self: Photos, name: str, prepare: object) -> object:
        decoded.append(name)
        return original(self, name, prepare)  # type: ignore[arg-type]

    def job(examples: Photos) -> Tensor:
        barrier.wait()
        return values(examples)

    monkeypatch.setattr(Photos, "_decoded", counted)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(job, [opened(tmp_path) for _ in range(3)]))
    assert len(decoded) == 8
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_a_killed_or_failed_making_leaves_nothing_that_is_read(tmp_path: Path, jpegs: Path) -> None:
    broken = jpegs / "val" / CLASSES[2] / "0.JPEG"
    content = broken.read_bytes()
    broken.write_bytes(content[:100].ljust(len(content), b"\0"))
    with refused(f"{broken}: is no whole image"):
        values(opened(tmp_path))
    assert files(tmp_path) == []
    broken.write_bytes(content)
    kept = opened(tmp_path)
    left = kept.cache.path.with_name(f".{kept.cache.path.name}.12345678.tmp")  # type: ignore[union-attr]
    left.write_bytes(b"a part")  # of a killed job
    values(kept)
    assert len(files(tmp_path)) == 1
    assert not left.exists()


def test_too_little_room_is_said_before_anything_is_decoded(
    tmp_path: Path, jpegs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(8 * (3 * SIDE**2 + 4) - 1))
    with refused("GB, but", "free; make room, or set `photo_cache` to another disk or to null"):
        values(opened(tmp_path))
    assert files(tmp_path) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(8 * (3 * SIDE**2 + 4)))
    values(opened(tmp_path))
    assert "3.84e-05 GB, 8 photos are decoded once" in capsys.readouterr().err


def test_a_folder_that_may_not_be_written_to_is_named(tmp_path: Path, jpegs: Path) -> None:
    (tmp_path / "resized").write_text("")
    with refused(f"{tmp_path}/resized: is a file where a folder must be", "set `photo_cache` to"):
        values(opened(tmp_path))


def test_folders_of_others_beside_the_files_do_not_matter(
    tmp_path: Path, jpegs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk has ``lost+found``, which is root's."""
    others, access = tmp_path / "resized" / "lost+found", os.access
    others.mkdir(parents=True)
    monkeypatch.setattr(os, "access", lambda path, mode: path != others and access(path, mode))
    values(opened(tmp_path))
    monkeypatch.setattr(os, "access", lambda path, mode: path != others.parent)
    with refused(f"{tmp_path}/resized: may not be written to", "set `photo_cache` to another disk"):
        values(opened(tmp_path, "timm"))
