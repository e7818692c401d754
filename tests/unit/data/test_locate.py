"""Where photos lie: every set in its publisher's layout, at tiny size; damaged, absent."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from photo_files import CLASSES, imagenet, listed, photo, photos, settings, tar, write_files
from refusal import refused
from scipy.io import savemat

from sharpness.data import listing, unpack
from sharpness.data import locate as locating
from sharpness.data.imagenet import LAYOUTS, PUBLISHED
from sharpness.data.locate import locate
from sharpness.data.registry import REGISTRY, SOURCES, downloads
from sharpness.io.download import TABLE, Download, download_named
from sharpness.io.files import write_json

TOPS = {
    "imagenet-v2": "imagenetv2-matched-frequency-format-val",
    "imagenet-r": "imagenet-r",
    "imagenet-a": "imagenet-a",
    "imagenet-sketch": "sketch",
    "objectnet": "objectnet-1.0/images",
}
FOLDERS = {
    "imagenet-v2": ["0", "1", "2", "10"],
    "imagenet-r": CLASSES[:3],
    "imagenet-a": CLASSES[1:],
    "imagenet-sketch": CLASSES,
    "objectnet": ["alarm_clock", "banana", "baking_sheet"],
}
"""ObjectNet's baking sheet is no class of ImageNet."""


def contents(name: str) -> dict[str, bytes]:
    """What a shift's archive holds."""
    files = photos([f"{TOPS[name]}/{folder}" for folder in FOLDERS[name]], 2)
    return {**files, f"{TOPS[name].partition('/')[0]}/README.txt": b"about"}


def zipped(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def publish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: Mapping[str, bytes]
) -> tuple[dict[str, Any], list[Path]]:
    """A mirror that holds these downloads, known by their digests: settings, and their paths."""
    rows, paths = {}, []
    for name, content in files.items():
        url = download_named(name).url
        rows[name] = Download(name, url, len(content), f"sha256 {sha256(content)}", "", "")
        paths.append(tmp_path / "mirror" / url.partition("://")[2])
        write_files(tmp_path / "mirror", {url.partition("://")[2]: content})
    monkeypatch.setattr(locating, "download_named", rows.__getitem__)
    return settings(tmp_path, mirror=str(tmp_path / "mirror")), paths


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """ImageNet in a folder."""
    return imagenet(tmp_path / "in1k")


# -- the registry


def test_every_set_has_a_source_that_can_be_downloaded_or_says_where_it_is() -> None:
    for name, entry in REGISTRY.items():
        assert (entry.source is None) == (entry.kind == "digits")
        assert (entry.kind == "photos") == (name in PUBLISHED)
    assert {entry.source for entry in REGISTRY.values()} == {None, *SOURCES}
    for name, source in SOURCES.items():
        assert source.published == (f"\n{name}," in TABLE.read_text() or len(downloads(name)) > 1)
        assert source.published or "https://" in source.advice
        for row in map(download_named, downloads(name)):
            assert row.url.startswith("https://") or row.digest("sha256")


def test_the_classes_are_all_there() -> None:
    known_classes, table = listing.imagenet_wnids(), listing.objectnet_wnids()
    assert len(set(known_classes)) == 1000
    assert list(known_classes) == sorted(known_classes)
    means = {wnid for wnids in table.values() for wnid in wnids}
    assert (len(table), len(means), sum(map(len, table.values()))) == (113, 125, 125)
    assert means <= set(known_classes)


# -- ImageNet in a folder


def test_imagenet_in_its_usual_layout(tmp_path: Path, root: Path) -> None:
    odd = ["train/.DS_Store", "train/.cache/0.JPEG", f"train/{CLASSES[0]}/._0.JPEG", "x.txt"]
    write_files(root, dict.fromkeys(odd, b""))
    record = locate("imagenet", settings(tmp_path, folder=str(root)))
    assert (record["status"], record["title"], record["files"]) == ("present", "ImageNet", [])
    assert (record["folder"], record["classes"]) == (str(root), CLASSES)
    assert record["holdout"] is None
    assert {s: part["images"] for s, part in record["splits"].items()} == {"train": 12, "test": 8}
    assert record["splits"]["test"]["folder"] == str(root / "val")
    assert "4 classes where 1000 are published" in record["remark"]
    standin = locate("imagenet", settings(tmp_path, folder=str(root), standin="data.json"))
    assert (standin["remark"], standin["title"]) == ("", "ImageNet (stand-in)")
    assert standin["splits"] == record["splits"]
    shutil.rmtree(root / "val")  # training images alone are enough
    alone = locate("imagenet", settings(tmp_path, folder=str(root)))
    assert alone["splits"] == {"train": record["splits"]["train"]}
    assert alone["remark"].endswith("and no test images, for val/ is absent")


def test_the_digest_names_what_is_there(tmp_path: Path, root: Path) -> None:
    def digests() -> list[str]:
        record = locate("imagenet", settings(tmp_path, folder=str(root)))
        return [part["digest"] for part in record["splits"].values()]

    first = digests()
    names = [f"{wnid}/{i}.JPEG" for wnid in CLASSES for i in range(2)]
    lines = [f"{name}\t{(root / 'val' / name).stat().st_size}\n" for name in names]
    assert first[1] == sha256("".join(lines).encode())[:16]
    path = root / "train" / CLASSES[1] / "1.JPEG"
    path.write_bytes(path.read_bytes() + b"more")
    assert digests()[0] != first[0]
    assert digests()[1] == first[1]
    shutil.move(root / "val" / CLASSES[1] / "1.JPEG", root / "val" / CLASSES[1] / "3.JPEG")
    assert digests()[1] != first[1]


def test_images_are_numbered_as_torchvision_does(tmp_path: Path) -> None:
    from torchvision.datasets import ImageFolder

    root = tmp_path / "train"
    odd = ["b.jpg", "B.JPEG", "a.PNG", "a10.jpeg", "a9.jpeg", "notes.txt", "c.webp", "d.tif"]
    write_files(root, {f"{w}/{n}": b"" for w in reversed(CLASSES) for n in odd})
    paths = [path for path, _ in ImageFolder(str(root)).samples]
    found = [str(root / name) for name in listing.names(root, listing.subfolders(root))]
    assert found == paths
    assert len(found) == 4 * 7


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda root: shutil.rmtree(root / "train"), ("has val/", "lacks train/")),
        (lambda root: (root / "train" / "cats").mkdir(), ("train/cats", "no class of ImageNet")),
        (lambda root: (root / "val" / "n01440764").mkdir(), ("val/n01440764", "in train")),
        (lambda root: (root / "train" / "n01440764").mkdir(), ("n01440764", "no images")),
        (
            lambda root: [shutil.rmtree(folder) for folder in (root / "val").iterdir()],
            ("val", "no class folders"),
        ),
    ],
)
def test_a_folder_with_faults_is_one_line(
    tmp_path: Path, root: Path, spoil: Callable[[Path], Any], words: tuple[str, ...]
) -> None:
    spoil(root)
    with refused(root, *words):
        locate("imagenet", settings(tmp_path, folder=str(root)))


# -- the official archives


def publish_imagenet(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Tiny official archives, and torchvision knowing their MD5. Returns images by split/name."""
    from torchvision.datasets import imagenet as official

    train = photos(CLASSES, 2)
    by_class = {
        f"{wnid}.tar": tar({n.partition("/")[2]: c for n, c in train.items() if wnid in n})
        for wnid in CLASSES
    }
    order = [2, 0, 3, 1, 1]  # the class of each validation image
    test = {f"ILSVRC2012_val_0000000{i + 1}.JPEG": photo(50 + i) for i in range(len(order))}
    rows = [(k + 1, wnid, "a, b", "gloss", 0) for k, wnid in enumerate(CLASSES)]
    rows.append((5, "n99999999", "an inner node", "gloss", 4))
    fields = ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children")
    meta = io.BytesIO()
    savemat(meta, {"synsets": np.array(rows, [(field, object) for field in fields])})
    data, truth = "ILSVRC2012_devkit_t12/data", "".join(f"{k + 1}\n" for k in order)
    devkit = {
        f"{data}/meta.mat": meta.getvalue(),
        f"{data}/ILSVRC2012_validation_ground_truth.txt": truth.encode(),
    }
    archives = {"train": tar(by_class), "val": tar(test), "devkit": tar(devkit, "gz")}
    known_md5 = {
        part: (official.ARCHIVE_META[part][0], hashlib.md5(content).hexdigest())
        for part, content in archives.items()
    }
    monkeypatch.setattr(official, "ARCHIVE_META", known_md5)
    write_files(folder, {known_md5[part][0]: content for part, content in archives.items()})
    expected = {f"train/{name}": content for name, content in train.items()}
    for (name, content), k in zip(test.items(), order, strict=True):
        expected[f"val/{CLASSES[k]}/{name}"] = content
    return expected


def tree(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_official_archives_are_unpacked_once_into_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "given"
    expected = publish_imagenet(given, monkeypatch)
    before = tree(given)
    record = locate("imagenet", settings(tmp_path, folder=str(given)))
    place = tmp_path / "cache" / "unpacked" / "imagenet"
    assert (record["folder"], record["classes"]) == (str(place), CLASSES)
    assert tree(place) == expected
    assert tree(given) == before
    assert {path.name for path in place.parent.iterdir()} == {"imagenet", ".imagenet.lock"}
    for archive in given.iterdir():
        archive.unlink()
    assert locate("imagenet", settings(tmp_path, folder=str(given))) == record


def test_archives_that_cannot_be_used_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "given"
    publish_imagenet(given, monkeypatch)
    place, path = tmp_path / "cache" / "unpacked", given / "ILSVRC2012_img_train.tar"
    with monkeypatch.context() as patch:
        patch.setattr(unpack.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
        with refused("unpacked/imagenet", "1000 free", "`cache`"):
            locate("imagenet", settings(tmp_path, folder=str(given)))
    path.write_bytes(path.read_bytes() + bytes(512))
    with refused(path.name, "corrupted", given):
        locate("imagenet", settings(tmp_path, folder=str(given)))
    assert [path.name for path in place.iterdir()] == [".imagenet.lock"]
    path.unlink()
    with refused(given, f"lacks {path.name}", "all three"):
        locate("imagenet", settings(tmp_path, folder=str(given)))


# -- the hold-out


def test_the_held_out_images_are_those_of_the_index(tmp_path: Path, root: Path) -> None:
    path, index = tmp_path / "index.npy", np.zeros(12)
    index[[1, 5, 6]] = 1
    np.save(path, index)
    given = settings(tmp_path, folder=str(root), holdout=str(path))
    record = locate("imagenet-2p", given)
    names = [f"{CLASSES[0]}/1.JPEG", f"{CLASSES[1]}/2.JPEG", f"{CLASSES[2]}/0.JPEG"]
    part = record["splits"]["test"]
    assert (record["title"], part["images"]) == ("ImageNet hold-out", 3)
    assert part["digest"] == listing.digest_of(listing.sized(root / "train", names))[1]
    whole = locate("imagenet", given)
    assert whole["holdout"] == record["holdout"]
    assert whole["holdout"] == {"path": str(path), "sha256": sha256(path.read_bytes())}
    assert whole["splits"]["train"]["images"] == 12
    with refused("data.imagenet-r.holdout: only imagenet"):
        locate("imagenet-r", settings(tmp_path, holdout="x"))


def test_without_the_index_the_held_out_images_are_missing(tmp_path: Path, root: Path) -> None:
    record = locate("imagenet-2p", settings(tmp_path, folder=str(root)))
    assert record["status"] == "missing"
    for word in ("data.imagenet.holdout", "imagenet_98_idxs.npy"):
        assert word in record["reason"]
    nowhere = tmp_path / "nowhere.npy"
    with refused("data.imagenet.holdout: ", nowhere):
        locate("imagenet", settings(tmp_path, folder=str(root), holdout=str(nowhere)))


def test_an_index_that_does_not_fit_is_one_line(tmp_path: Path, root: Path) -> None:
    path = tmp_path / "index.npy"
    given = settings(tmp_path, folder=str(root), holdout=str(path))
    for odd in (np.zeros(11), np.zeros((12, 1)), np.full(12, 2), np.array(["0"] * 12)):
        np.save(path, odd)
        with refused(path, "12 training images"):
            locate("imagenet", given)
    np.save(path, np.array([None] * 12), allow_pickle=True)  # never unpickled
    with refused(path, "no readable array"):
        locate("imagenet", given)


# -- the shifts


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_shift_in_a_folder(tmp_path: Path, name: str) -> None:
    root = write_files(tmp_path / "data", contents(name))
    inner = root / TOPS[name]
    wanted = FOLDERS[name][:2] if name == "objectnet" else sorted(FOLDERS[name])
    for given in {root, root / TOPS[name].partition("/")[0], inner}:
        record = locate(name, settings(tmp_path, folder=str(given)))
        assert (record["status"], record["folder"]) == ("present", str(inner))
        assert record["classes"] == wanted
        assert record["splits"]["test"]["images"] == 2 * len(wanted)
        assert f"where {PUBLISHED[name]['test']} are published" in record["remark"]
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("name", "compression"), [("imagenet-v2", "gz"), ("imagenet-v2", ""), ("imagenet-a", "")]
)
def test_an_archive_is_fetched_and_unpacked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, compression: str
) -> None:
    """What its publisher calls a .tar.gz may be a plain tar: the sizes on record say so."""
    content = tar(contents(name), compression)
    given, _ = publish(tmp_path, monkeypatch, {name: content})
    record = locate(name, given)
    place = tmp_path / "cache" / "unpacked" / f"{name}-{sha256(content)[:16]}"
    assert record["files"][0]["sha256"] == sha256(content)
    assert record["folder"] == str(place / TOPS[name])
    assert tree(place) == contents(name)
    monkeypatch.setattr(unpack, "_untar", None)  # a second time would fail
    assert locate(name, {**given, "offline": False}) == record


def test_sketch_comes_as_a_zip(tmp_path: Path) -> None:
    files = {**contents("imagenet-sketch"), "__MACOSX/sketch/._x": b""}
    root = write_files(tmp_path, {"ImageNet-Sketch.zip": zipped(files)})
    record = locate("imagenet-sketch", settings(root, file=str(root / "ImageNet-Sketch.zip")))
    assert (record["classes"], record["splits"]["test"]["images"]) == (CLASSES, 8)
    assert record["folder"].startswith(str(tmp_path / "cache" / "unpacked" / "imagenet-sketch-"))


def test_the_published_digest_is_enforced_but_for_a_stand_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, (path,) = publish(tmp_path, monkeypatch, {"imagenet-r": tar(contents("imagenet-r"))})
    path.write_bytes(bytes(path.stat().st_size))
    with refused("refused", "; or name a copy in data.imagenet-r.file or .folder"):
        locate("imagenet-r", given)
    path.write_bytes(tar(contents("imagenet-r"), "gz"))
    with refused("not the published"):
        locate("imagenet-r", given)
    standin = listed(tmp_path)
    record = locate("imagenet-r", {**given, "standin": standin})
    assert (record["status"], record["title"]) == ("present", "ImageNet-R (stand-in)")
    assert (record["remark"], record["standin"]) == ("", standin)
    next((tmp_path / "cache").rglob("*.tar")).write_bytes(b"another")
    with refused("sha256 is"):
        locate("imagenet-r", {**given, "standin": standin})


def test_what_is_not_the_published_set_is_remarked_on(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(tmp_path, monkeypatch, {"mnli": b"published"})
    write_files(tmp_path, {"same.zip": b"published", "other.zip": b"other"})
    same = locate("mnli", settings(tmp_path, file=str(tmp_path / "same.zip")))
    assert (same["remark"], capsys.readouterr().err) == ("", "")
    given = settings(tmp_path, file=str(tmp_path / "other.zip"))
    assert locate("mnli", {**given, "standin": "data.json"})["remark"] == ""
    other = locate("mnli", given)
    said = "comes from a file of another digest than the published one"
    assert (other["remark"], capsys.readouterr().err) == (said, f"mnli: {said}\n")
    records = [other, locate("imagenet", settings(tmp_path, folder=str(root))), same]
    paths = [tmp_path / f"{i}.json" for i in range(4)]
    for path, record in zip(paths, records, strict=False):
        write_json(path, record)
    first, second = locating.remarks(paths)
    assert first == f"MNLI {said}."
    assert second.startswith("ImageNet has 4 classes where 1000 are published")


@pytest.mark.parametrize("name", ["imagenet-2p", "objectnet", "imagenet-r", "hans-lexical"])
def test_what_is_missing_says_where_it_is(tmp_path: Path, name: str) -> None:
    source = REGISTRY[name].source
    assert source is not None
    key, published = SOURCES[source].takes[0], SOURCES[source].published
    (tmp_path / "empty").mkdir()
    for given in (None, str(tmp_path / "nowhere"), str(tmp_path / "empty")):
        record = locate(name, settings(tmp_path, offline=given is None, **{key: given}))
        assert (record["status"], record["files"]) == ("missing", [])
        online = "`offline: false`" if published and not given else ""
        for word in ("https://", f"data.{source}.{key}", given or "", online):
            assert word in record["reason"]
        assert "\n" not in record["reason"]


def test_whether_a_set_is_within_reach_is_seen_in_the_file_system(tmp_path: Path) -> None:
    def reach(name: str, **given: Any) -> bool:
        return locating.within_reach(name, settings(tmp_path, **given))

    assert reach("digits")
    assert not reach("imagenet-r")
    assert reach("imagenet-r", offline=False)
    assert not reach("objectnet", offline=False)
    assert reach("objectnet", standin="data.json")
    assert not reach("objectnet", folder=str(tmp_path / "none"))
    assert reach("objectnet", folder=str(tmp_path))
    there = {"mirror": str(tmp_path / "mirror")}
    assert not reach("imagenet-r", **there)
    write_files(
        tmp_path / "mirror", {download_named("imagenet-r").url.removeprefix("https://"): b""}
    )
    assert reach("imagenet-r", **there)
    assert reach("imagenet-r", mirror="https://mirror.example")
    assert reach("imagenet-r", cache=there["mirror"])


@pytest.mark.parametrize(
    ("name", "keys", "words"),
    [
        ("imagenet-2p", ["file"], "data.imagenet: name one copy: its folder"),
        ("hans-lexical", ["folder"], "data.hans: name one copy: its file"),
        ("cora", ["file"], "data.cora: name one copy: its folder"),
        ("imagenet-r", ["file", "folder"], "name one copy: its file or folder"),
    ],
)
def test_only_keys_that_make_sense_are_accepted(
    tmp_path: Path, name: str, keys: list[str], words: str
) -> None:
    with refused(words):
        locate(name, settings(tmp_path, **dict.fromkeys(keys, str(tmp_path))))


def test_texts_are_one_file_or_two_in_a_folder(tmp_path: Path) -> None:
    names = ["multinli_1.0_train.jsonl", "multinli_1.0_dev_matched.jsonl"]
    root = write_files(tmp_path / "texts", dict.fromkeys([*names, "hans.txt"], b"text"))
    for name, title in (("lexical", "lexical overlap"), ("constituent", "constituent")):
        record = locate(f"hans-{name}", settings(tmp_path, file=str(root / "hans.txt")))
        assert record["title"] == f"HANS ({title})"
        assert record["files"] == [{"path": str(root / "hans.txt"), "sha256": sha256(b"text")}]
    record = locate("mnli", settings(tmp_path, folder=str(root)))
    assert [entry["path"] for entry in record["files"]] == [str(root / name) for name in names]
    assert (record["title"], record["folder"]) == ("MNLI", str(root))
    (root / names[1]).unlink()
    record = locate("mnli", settings(tmp_path, folder=str(root)))
    assert record["status"] == "missing"
    assert names[1] in record["reason"]


# -- sources of several files


SEVERAL = {
    "fashion-mnist": ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3"],
    "cora": [".x", ".y", ".tx", ".ty", ".allx", ".ally", ".graph"],
}
"""How the names of their files end, but for the last."""


@pytest.mark.parametrize("name", SEVERAL)
def test_several_files_are_one_source_in_the_order_of_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    files = {word: word.encode() for word in downloads(name)}
    given, mirrored = publish(tmp_path, monkeypatch, files)
    folder = locate(name, settings(tmp_path, folder=str(mirrored[0].parent)))
    assert [entry["path"] for entry in folder["files"]] == [str(path) for path in mirrored]
    assert locating.within_reach(name, given)
    record = locate(name, given)
    assert (record["status"], record["remark"]) == ("present", "")
    found = [Path(entry["path"]) for entry in record["files"]]
    for path, ending in zip(found, SEVERAL[name], strict=False):
        assert path.name.removesuffix("-ubyte.gz").endswith(ending)
    assert [path.read_text() for path in found] == list(files)
    assert [entry["sha256"] for entry in record["files"]] == [*map(sha256, files.values())]
    mirrored[-1].write_bytes(bytes(mirrored[-1].stat().st_size))
    assert locate(name, given) == record  # from the cache
    found[-1].unlink()
    with refused(mirrored[-1].name, "refused", f"; or name a copy in data.{name}.folder"):
        locate(name, given)
    mirrored[-1].unlink()  # one that lacks is absence
    assert not locating.within_reach(name, given)
    record = locate(name, given)
    assert (record["status"], record["files"]) == ("missing", [])
    for word in (mirrored[-1].name, "`offline: false`", f"data.{name}.folder"):
        assert word in record["reason"]


# -- damaged archives; `hostile` has the hostile ones


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("imagenet-r", tar(contents("imagenet-r"), "gz")[:-500], "fetch it again"),
        ("imagenet-r", b"no archive" * 1000, "fetch it again"),
        ("imagenet-sketch", b"no archive", "cannot be unpacked"),
        ("imagenet-r", tar({"cats/1.png": photo(0)}), "no class folders of imagenet-r"),
        ("imagenet-r", tar({"imagenet-r/n00000001/1.png": photo(0)}), "no class"),
        ("imagenet-v2", tar(photos(["0", "01"], 1)), "/01: is no class"),
    ],
)
def test_a_damaged_archive_or_another_is_one_line(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    path = tmp_path / ("a.zip" if name == "imagenet-sketch" else "a.tar")
    path.write_bytes(content)
    with refused(words):
        locate(name, settings(tmp_path, file=str(path)))
    if "class" not in words:
        assert [p.suffix for p in (tmp_path / "cache" / "unpacked").iterdir()] == [".lock"]


def test_what_holds_too_many_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "MEMBERS", 3)
    for name, suffix, pack in (("imagenet-r", "tar", tar), ("imagenet-sketch", "zip", zipped)):
        path = tmp_path / f"a.{suffix}"
        path.write_bytes(pack(contents(name)))
        with refused("refused: more than 3"):
            locate(name, settings(tmp_path, file=str(path)))


def test_two_runs_at_once_unpack_once_and_throw_away_what_a_killed_run_left(
    tmp_path: Path,
) -> None:
    place, counter = tmp_path / "unpacked", tmp_path / "counter"
    write_files(tmp_path / ".unpacked.part", {"half": b""})

    def make(part: Path) -> None:
        with open(counter, "a") as stream:
            stream.write("x")
        time.sleep(0.1)
        write_files(part, {"whole": b""})

    context = multiprocessing.get_context("fork")
    runs = [context.Process(target=unpack.made_once, args=(place, 0, make)) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(30)
    assert [run.exitcode for run in runs] == [0, 0]
    assert counter.read_text() == "x"
    assert [path.name for path in place.iterdir()] == ["whole"]
    assert not (tmp_path / ".unpacked.part").exists()


def test_finding_a_data_set_imports_no_torch(tmp_path: Path, root: Path) -> None:
    code = (
        "import sys; from sharpness.data.locate import locate;"
        f"locate('imagenet', {settings(tmp_path, folder=str(root))!r});"
        f"locate('cifar10', {settings(tmp_path)!r}); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
