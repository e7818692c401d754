"""Where photos lie: every set in its publisher's layout, at tiny size; damaged, hostile, absent."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from photo_files import CLASSES, imagenet, listed, photo, photos, settings, tar, write_files
from scipy.io import savemat

from sharpness.data import classes, listing, places, unpacking
from sharpness.data.photo_sets import LAYOUTS, PUBLISHED
from sharpness.data.places import locate
from sharpness.data.registry import REGISTRY, SOURCES, downloads
from sharpness.downloads.fetch import TABLE, Download, known
from sharpness.files import write_json
from sharpness.problem import Problem

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


def one_line(problem: pytest.ExceptionInfo[Problem], *words: object) -> None:
    message = str(problem.value)
    assert "\n" not in message
    for word in words:
        assert str(word) in message


# -- the registry


def test_every_set_has_a_source() -> None:
    for name, entry in REGISTRY.items():
        assert (entry.source is None) == (entry.kind == "digits")
        assert entry.source is None or entry.source in SOURCES
        assert (entry.kind == "photos") == (name in PUBLISHED)
    assert {entry.source for entry in REGISTRY.values()} == {None, *SOURCES}
    shifts = {"imagenet-v2", "imagenet-r", "imagenet-a", "imagenet-sketch", "objectnet"}
    assert set(LAYOUTS) == shifts


def test_what_is_published_can_be_downloaded_and_the_rest_says_where_it_is() -> None:
    for name, source in SOURCES.items():
        if source.published:
            for row in map(known, downloads(name)):
                assert row.url.startswith("https://") or row.digest("sha256")
            assert not source.advice
        else:
            assert "https://" in source.advice
            assert f"\n{name}," not in TABLE.read_text()


def test_the_classes_are_all_there() -> None:
    known_classes = classes.imagenet()
    assert len(set(known_classes)) == 1000
    assert list(known_classes) == sorted(known_classes)
    table = classes.objectnet()
    assert len(table) == 113
    means = [wnid for wnids in table.values() for wnid in wnids]
    assert len(means) == len(set(means)) == 125
    assert set(means) <= set(known_classes)


# -- ImageNet in a folder


def test_imagenet_in_its_usual_layout(tmp_path: Path) -> None:
    root = imagenet(tmp_path / "in1k")
    write_files(
        root,
        {
            "train/.DS_Store": b"",
            "train/.cache/0.JPEG": b"",
            f"train/{CLASSES[0]}/._0.JPEG": b"",
            "x.txt": b"",
        },
    )
    record = locate("imagenet", settings(tmp_path, folder=str(root)))
    assert (record["status"], record["title"], record["files"]) == ("present", "ImageNet", [])
    assert record["classes"] == CLASSES
    assert record["folder"] == str(root)
    assert record["holdout"] is None
    assert {s: part["images"] for s, part in record["splits"].items()} == {"train": 12, "test": 8}
    assert record["splits"]["test"]["folder"] == str(root / "val")
    assert "4 classes where 1000 are published" in record["remark"]
    standin = locate("imagenet", settings(tmp_path, folder=str(root), standin="data.json"))
    assert (standin["remark"], standin["title"]) == ("", "ImageNet (stand-in)")
    assert standin["splits"] == record["splits"]


def test_the_digest_names_what_is_there(tmp_path: Path) -> None:
    root = imagenet(tmp_path / "in1k")

    def digests() -> list[str]:
        record = locate("imagenet", settings(tmp_path, folder=str(root)))
        return [part["digest"] for part in record["splits"].values()]

    first = digests()
    assert digests() == first
    names = [f"{wnid}/{i}.JPEG" for wnid in CLASSES for i in range(2)]
    lines = [f"{name}\t{(root / 'val' / name).stat().st_size}\n" for name in names]
    assert first[1] == hashlib.sha256("".join(lines).encode()).hexdigest()[:16]
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
        (lambda root: (root / "val" / "n00000001").mkdir(), ("val/n00000001", "no class")),
        (lambda root: (root / "val" / "n01440764").mkdir(), ("val/n01440764", "in train")),
        (lambda root: (root / "train" / "n01440764").mkdir(), ("n01440764", "no images")),
        (
            lambda root: [shutil.rmtree(folder) for folder in (root / "val").iterdir()],
            ("val", "no class folders"),
        ),
    ],
)
def test_a_folder_with_faults_is_one_line(tmp_path: Path, spoil: Any, words: Any) -> None:
    root = imagenet(tmp_path / "in1k")
    spoil(root)
    with pytest.raises(Problem) as problem:
        locate("imagenet", settings(tmp_path, folder=str(root)))
    one_line(problem, root, *words)


def test_training_images_alone_are_enough(tmp_path: Path) -> None:
    root = imagenet(tmp_path / "in1k")
    whole = locate("imagenet", settings(tmp_path, folder=str(root)))
    shutil.rmtree(root / "val")
    record = locate("imagenet", settings(tmp_path, folder=str(root)))
    assert record["status"] == "present"
    assert record["splits"] == {"train": whole["splits"]["train"]}
    assert record["remark"].endswith("and no test images, for val/ is absent")


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
    data = "ILSVRC2012_devkit_t12/data"
    devkit = {
        f"{data}/meta.mat": meta.getvalue(),
        f"{data}/ILSVRC2012_validation_ground_truth.txt": "".join(
            f"{k + 1}\n" for k in order
        ).encode(),
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
    assert record["folder"] == str(place)
    assert record["classes"] == CLASSES
    assert tree(place) == expected
    assert tree(given) == before
    assert {path.name for path in place.parent.iterdir()} == {"imagenet", ".imagenet.lock"}
    monkeypatch.setattr("sharpness.data.imagenet._unpack", None)  # a second time would fail
    assert locate("imagenet", settings(tmp_path, folder=str(given))) == record
    for archive in given.iterdir():
        archive.unlink()
    assert locate("imagenet", settings(tmp_path, folder=str(given))) == record


def test_another_archive_than_the_official_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "given"
    publish_imagenet(given, monkeypatch)
    path = given / "ILSVRC2012_img_train.tar"
    path.write_bytes(path.read_bytes() + bytes(512))
    with pytest.raises(Problem) as problem:
        locate("imagenet", settings(tmp_path, folder=str(given)))
    one_line(problem, "ILSVRC2012_img_train.tar", "corrupted", given)
    left = {path.name for path in (tmp_path / "cache" / "unpacked").iterdir()}
    assert left == {".imagenet.lock"}


def test_a_lacking_archive_and_a_full_disk_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "given"
    publish_imagenet(given, monkeypatch)

    class Usage:
        free = 1000

    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda path: Usage)
    with pytest.raises(Problem) as problem:
        locate("imagenet", settings(tmp_path, folder=str(given)))
    one_line(problem, "unpacked/imagenet", "1000 free", "`cache`")
    (given / "ILSVRC2012_img_val.tar").unlink()
    with pytest.raises(Problem) as problem:
        locate("imagenet", settings(tmp_path, folder=str(given)))
    one_line(problem, given, "lacks ILSVRC2012_img_val.tar", "all three")


# -- the hold-out


def test_the_held_out_images_are_those_of_the_index(tmp_path: Path) -> None:
    root = imagenet(tmp_path / "in1k")
    index = np.zeros(12)
    index[[1, 5, 6]] = 1
    np.save(tmp_path / "index.npy", index)
    given = settings(tmp_path, folder=str(root), holdout=str(tmp_path / "index.npy"))
    record = locate("imagenet-2p", given)
    names = [f"{CLASSES[0]}/1.JPEG", f"{CLASSES[1]}/2.JPEG", f"{CLASSES[2]}/0.JPEG"]
    part = record["splits"]["test"]
    assert part["images"] == 3
    assert part["digest"] == listing.digest_of(listing.sized(root / "train", names))[1]
    assert record["title"] == "ImageNet hold-out"
    sha256 = hashlib.sha256((tmp_path / "index.npy").read_bytes()).hexdigest()
    whole = locate("imagenet", given)
    assert whole["holdout"] == record["holdout"]
    assert whole["holdout"] == {"path": str(tmp_path / "index.npy"), "sha256": sha256}
    assert whole["splits"]["train"]["images"] == 12
    with pytest.raises(Problem, match=r"data\.imagenet-r\.holdout: only imagenet"):
        locate("imagenet-r", settings(tmp_path, holdout="x"))


def test_without_the_index_the_held_out_images_are_missing(tmp_path: Path) -> None:
    root = imagenet(tmp_path / "in1k")
    record = locate("imagenet-2p", settings(tmp_path, folder=str(root)))
    assert record["status"] == "missing"
    assert "data.imagenet.holdout" in record["reason"]
    assert "imagenet_98_idxs.npy" in record["reason"]
    nowhere = settings(tmp_path, folder=str(root), holdout=str(tmp_path / "nowhere.npy"))
    for name in ("imagenet", "imagenet-2p"):
        with pytest.raises(Problem) as problem:
            locate(name, nowhere)
        one_line(problem, "data.imagenet.holdout: ", tmp_path / "nowhere.npy")


@pytest.mark.parametrize(
    "index",
    [np.zeros(11), np.full(12, 2), np.zeros((12, 1)), np.array(["0"] * 12), np.full(12, np.nan)],
)
def test_an_index_that_does_not_fit_is_one_line(tmp_path: Path, index: np.ndarray) -> None:
    root = imagenet(tmp_path / "in1k")
    np.save(tmp_path / "index.npy", index)
    with pytest.raises(Problem) as problem:
        locate(
            "imagenet", settings(tmp_path, folder=str(root), holdout=str(tmp_path / "index.npy"))
        )
    one_line(problem, "index.npy", "12 training images")


@pytest.mark.parametrize("content", ["pickled", "text", "npz"])
def test_an_index_is_never_unpickled(tmp_path: Path, content: str) -> None:
    root, path = imagenet(tmp_path / "in1k"), tmp_path / "index.npy"
    if content == "pickled":
        np.save(path, np.array([None] * 12, dtype=object), allow_pickle=True)
    elif content == "npz":
        with open(path, "wb") as stream:
            np.savez(stream, index=np.zeros(12))
    else:
        path.write_text("nothing")
    with pytest.raises(Problem) as problem:
        locate("imagenet", settings(tmp_path, folder=str(root), holdout=str(path)))
    one_line(problem, path, "no readable array")


# -- the shifts


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("outer", [True, False])
def test_a_shift_in_a_folder(tmp_path: Path, name: str, outer: bool) -> None:
    root = write_files(tmp_path / "data", contents(name))
    inner = root / TOPS[name]
    given = settings(tmp_path, folder=str(root if outer else inner))
    record = locate(name, given)
    wanted = FOLDERS[name][:2] if name == "objectnet" else sorted(FOLDERS[name])
    assert record["status"] == "present"
    assert record["folder"] == str(inner)
    assert record["classes"] == wanted
    assert record["splits"]["test"]["images"] == 2 * len(wanted)
    assert f"where {PUBLISHED[name]['test']} are published" in record["remark"]
    assert not (tmp_path / "cache").exists()


def test_objectnet_is_found_from_its_own_folder(tmp_path: Path) -> None:
    root = write_files(tmp_path, contents("objectnet")) / "objectnet-1.0"
    record = locate("objectnet", settings(tmp_path, folder=str(root)))
    assert record["folder"] == str(root / "images")


def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes) -> str:
    """A mirror that holds an archive at its publisher's place, of the published digest."""
    source = known(name)
    digest = f"sha256 {hashlib.sha256(content).hexdigest()}"
    row = Download(name, source.url, len(content), digest, "", "")
    monkeypatch.setattr(places, "known", lambda asked: {name: row}[asked])
    place = source.url.removeprefix("https://")
    write_files(tmp_path / "mirror", {place: content})
    return str(tmp_path / "mirror")


@pytest.mark.parametrize(
    ("name", "compression"),
    [("imagenet-v2", "gz"), ("imagenet-v2", ""), ("imagenet-r", ""), ("imagenet-a", "")],
)
@pytest.mark.parametrize("offline", [True, False])
def test_an_archive_is_fetched_and_unpacked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, compression: str, offline: bool
) -> None:
    """What its publisher calls a .tar.gz may be a plain tar: the sizes on record say so."""
    content = tar(contents(name), compression)
    mirror = publish(tmp_path, monkeypatch, name, content)
    given = settings(tmp_path, mirror=mirror, offline=offline)
    record = locate(name, given)
    digest = hashlib.sha256(content).hexdigest()
    place = tmp_path / "cache" / "unpacked" / f"{name}-{digest[:16]}"
    assert record["files"][0]["sha256"] == digest
    assert record["folder"] == str(place / TOPS[name])
    assert tree(place) == contents(name)
    monkeypatch.setattr(unpacking, "_untar", None)  # a second time would fail
    assert locate(name, given) == record


def test_the_published_digest_is_enforced_but_for_a_stand_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = publish(tmp_path, monkeypatch, "imagenet-r", tar(contents("imagenet-r")))
    path = next((tmp_path / "mirror").rglob("*.tar"))
    path.write_bytes(tar(contents("imagenet-r"))[:-512])
    with pytest.raises(Problem, match="not the published"):
        locate("imagenet-r", settings(tmp_path, mirror=mirror))
    path.write_bytes(tar({**contents("imagenet-r"), "imagenet-r/b": b""})[: path.stat().st_size])
    with pytest.raises(Problem):
        locate("imagenet-r", settings(tmp_path, mirror=mirror))
    path.write_bytes(tar(contents("imagenet-r"), "gz"))
    standin = listed(tmp_path)
    record = locate("imagenet-r", settings(tmp_path, mirror=mirror, standin=standin))
    assert (record["status"], record["title"]) == ("present", "ImageNet-R (stand-in)")
    assert (record["remark"], record["standin"]) == ("", standin)
    next((tmp_path / "cache").rglob("*.tar")).write_bytes(b"another")
    with pytest.raises(Problem, match="sha256 is"):
        locate("imagenet-r", settings(tmp_path, mirror=mirror, standin=standin))


def test_a_download_that_fails_says_what_to_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = publish(tmp_path, monkeypatch, "imagenet-r", b"x")
    next((tmp_path / "mirror").rglob("*.tar")).write_bytes(b"y")
    with pytest.raises(Problem) as problem:
        locate("imagenet-r", settings(tmp_path, mirror=mirror))
    one_line(problem, "refused", "; or name a copy in data.imagenet-r.file or .folder")


def test_a_named_archive_that_is_not_the_published_one_is_remarked_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(tmp_path, monkeypatch, "mnli", b"published")
    files = write_files(tmp_path, {"same.zip": b"published", "other.zip": b"other"})
    same = locate("mnli", settings(tmp_path, file=str(files / "same.zip")))
    assert (same["remark"], capsys.readouterr().err) == ("", "")
    other = locate("mnli", settings(tmp_path, file=str(files / "other.zip")))
    said = "comes from a file of another digest than the published one"
    assert other["remark"] == said
    assert capsys.readouterr().err == f"mnli: {said}\n"
    write_json(tmp_path / "mnli.json", other)
    assert places.remarks([tmp_path / "mnli.json"]) == [f"MNLI {said}."]
    given = settings(tmp_path, file=str(files / "other.zip"), standin="data.json")
    assert locate("mnli", given)["remark"] == ""


def test_sketch_comes_as_a_zip(tmp_path: Path) -> None:
    path = tmp_path / "ImageNet-Sketch.zip"
    files = {**contents("imagenet-sketch"), "__MACOSX/sketch/._x": b""}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    record = locate("imagenet-sketch", settings(tmp_path, file=str(path)))
    assert record["classes"] == CLASSES
    assert record["splits"]["test"]["images"] == 8
    assert record["folder"].startswith(str(tmp_path / "cache" / "unpacked" / "imagenet-sketch-"))


@pytest.mark.parametrize("offline", [True, False])
@pytest.mark.parametrize("name", ["imagenet", "imagenet-2p", "imagenet-sketch", "objectnet"])
def test_what_cannot_be_downloaded_is_missing_and_says_where_it_is(
    tmp_path: Path, name: str, offline: bool
) -> None:
    source = REGISTRY[name].source
    record = locate(name, settings(tmp_path, offline=offline))
    assert record["status"] == "missing"
    assert record["files"] == []
    assert "https://" in record["reason"]
    assert f"data.{source}.folder" in record["reason"]
    for named in ("nowhere", "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        given = settings(tmp_path, offline=offline, folder=str(tmp_path / named))
        reason = locate(name, given)["reason"]
        assert str(tmp_path / named) in reason
        assert "https://" in reason
        assert "\n" not in reason
    for word in {"imagenet": "register", "objectnet": "password"}.get(name, "").split():
        assert word in record["reason"]


@pytest.mark.parametrize(
    "name",
    [
        "imagenet-v2",
        "imagenet-r",
        "imagenet-a",
        "mnli",
        "hans-lexical",
        "bert-vocabulary",
        "abalone",
    ],
)
def test_what_can_be_downloaded_is_missing_when_offline(tmp_path: Path, name: str) -> None:
    record = locate(name, settings(tmp_path))
    assert record["status"] == "missing"
    for word in ("https://", "`offline: false`", f"data.{REGISTRY[name].source}.file"):
        assert word in record["reason"]
    given = locate(name, settings(tmp_path, offline=False, file=str(tmp_path / "nowhere")))
    assert given["status"] == "missing"
    assert "nowhere" in given["reason"]
    assert "https://" in given["reason"]


def test_a_set_that_is_not_the_published_one_is_remarked_on(tmp_path: Path) -> None:
    root = imagenet(tmp_path / "imagenet")
    record = locate("imagenet", settings(tmp_path, folder=str(root)))
    write_json(tmp_path / "imagenet.json", record)
    write_json(tmp_path / "digits.json", locate("digits", settings(tmp_path)))
    paths = [tmp_path / name for name in ("imagenet.json", "digits.json", "none.json")]
    (said,) = places.remarks(paths)
    assert said.startswith("ImageNet has ")
    assert "1000 are published" in said


def test_whether_a_set_is_within_reach_is_seen_in_the_file_system(tmp_path: Path) -> None:
    given = settings(tmp_path)
    url = known("imagenet-r").url.removeprefix("https://")
    assert places.within_reach("digits", given)
    assert not places.within_reach("imagenet-r", given)
    assert not places.within_reach("objectnet", given)
    assert places.within_reach("imagenet-r", {**given, "offline": False})
    assert not places.within_reach("objectnet", {**given, "offline": False})
    assert places.within_reach("objectnet", {**given, "standin": "data.json"})
    assert not places.within_reach("objectnet", {**given, "folder": str(tmp_path / "none")})
    assert places.within_reach("objectnet", {**given, "folder": str(tmp_path)})
    for key, folder in (("cache", Path(given["cache"])), ("mirror", tmp_path / "mirror")):
        file = folder / url
        file.parent.mkdir(parents=True)
        file.touch()
        assert places.within_reach("imagenet-r", {**given, key: str(folder)})
        file.unlink()
    assert not places.within_reach("imagenet-r", {**given, "mirror": str(tmp_path / "mirror")})
    assert places.within_reach("imagenet-r", {**given, "mirror": "https://mirror.example"})


def test_only_keys_that_make_sense_are_accepted(tmp_path: Path) -> None:
    for name, key, words in (
        ("objectnet", "file", r"data\.objectnet: name one copy: its folder"),
        ("imagenet-2p", "file", r"data\.imagenet: name one copy: its folder"),
        ("hans-lexical", "folder", r"data\.hans: name one copy: its file"),
    ):
        with pytest.raises(Problem, match=words):
            locate(name, settings(tmp_path, **{key: str(tmp_path)}))
    with pytest.raises(Problem, match="name one copy"):
        locate("imagenet-r", settings(tmp_path, file="a", folder="b"))


def test_texts_are_one_file_for_three_sets(tmp_path: Path) -> None:
    path = write_files(tmp_path, {"hans.txt": b"text"}) / "hans.txt"
    for name, title in (
        ("hans-lexical", "HANS (lexical overlap)"),
        ("hans-subsequence", "HANS (subsequence)"),
        ("hans-constituent", "HANS (constituent)"),
    ):
        record = locate(name, settings(tmp_path, file=str(path)))
        assert (record["name"], record["title"]) == (name, title)
        assert record["files"] == [
            {"path": str(path), "sha256": hashlib.sha256(b"text").hexdigest()}
        ]


def test_mnli_is_an_archive_or_its_two_files(tmp_path: Path) -> None:
    names = ["multinli_1.0_train.jsonl", "multinli_1.0_dev_matched.jsonl"]
    root = write_files(tmp_path / "mnli", {names[0]: b"1", names[1]: b"2", "README.txt": b""})
    record = locate("mnli", settings(tmp_path, folder=str(root)))
    assert [entry["path"] for entry in record["files"]] == [str(root / name) for name in names]
    assert (record["title"], record["folder"]) == ("MNLI", str(root))
    (root / names[1]).unlink()
    record = locate("mnli", settings(tmp_path, folder=str(root)))
    assert record["status"] == "missing"
    assert names[1] in record["reason"]


def test_a_source_is_one_download_or_several_or_none() -> None:
    assert (downloads("mnli"), downloads("objectnet")) == (("mnli",), ())
    assert len(set(downloads("cora"))) == 8
    assert len(set(downloads("fashion-mnist"))) == 4


SEVERAL = {
    "fashion-mnist": ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3"],
    "cora": [".x", ".y", ".tx", ".ty", ".allx", ".ally", ".graph"],
}
"""How the names of their files end, but for the last."""


def publish_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> list[Path]:
    """A mirror that holds a source of several files, each with its own contents; their paths."""
    rows, mirror = {}, {}
    for word in downloads(name):
        url, content = known(word).url, word.encode()
        digest = f"sha256 {hashlib.sha256(content).hexdigest()}"
        rows[word] = Download(word, url, len(content), digest, "", "")
        mirror[url.partition("://")[2]] = content
    monkeypatch.setattr(places, "known", rows.__getitem__)
    root = write_files(tmp_path / "mirror", mirror)
    return [root / place for place in mirror]


@pytest.mark.parametrize("name", SEVERAL)
def test_several_files_are_one_source_in_the_order_of_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    mirrored = publish_several(tmp_path, monkeypatch, name)
    given = settings(tmp_path, mirror=str(tmp_path / "mirror"))
    assert places.within_reach(name, given)
    record = locate(name, given)
    assert (record["status"], record["remark"]) == ("present", "")
    found = [Path(entry["path"]) for entry in record["files"]]
    for path, ending in zip(found, SEVERAL[name], strict=False):
        assert path.name.removesuffix("-ubyte.gz").endswith(ending)
    assert [path.read_text() for path in found] == list(downloads(name))
    assert [entry["sha256"] for entry in record["files"]] == [
        hashlib.sha256(word.encode()).hexdigest() for word in downloads(name)
    ]
    assert found[0].is_relative_to(given["cache"])
    mirrored[-1].write_bytes(bytes(mirrored[-1].stat().st_size))
    assert locate(name, given) == record  # from the cache
    found[-1].unlink()
    with pytest.raises(Problem) as problem:
        locate(name, given)
    one_line(problem, mirrored[-1].name, "refused", f"; or name a copy in data.{name}.folder")


@pytest.mark.parametrize("name", SEVERAL)
def test_one_of_several_files_that_lacks_is_absence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    mirrored = publish_several(tmp_path, monkeypatch, name)
    given = settings(tmp_path, mirror=str(tmp_path / "mirror"))
    mirrored[-1].unlink()
    assert not places.within_reach(name, given)
    record = locate(name, given)
    assert (record["status"], record["files"]) == ("missing", [])
    for word in (mirrored[-1].name, "`offline: false`", f"data.{name}.folder"):
        assert word in record["reason"]


@pytest.mark.parametrize("name", SEVERAL)
def test_several_files_in_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    mirrored = publish_several(tmp_path, monkeypatch, name)
    given = settings(tmp_path, folder=str(mirrored[0].parent))
    record = locate(name, given)
    assert [entry["path"] for entry in record["files"]] == [str(path) for path in mirrored]
    assert (record["status"], record["remark"]) == ("present", "")
    assert not (tmp_path / "cache").exists()
    mirrored[1].write_bytes(b"mine")
    assert locate(name, given)["remark"].endswith("another digest than the published one")
    mirrored[1].unlink()
    record = locate(name, given)
    assert record["status"] == "missing"
    address = f"get http{'s' * (name == 'cora')}://{mirrored[1].relative_to(tmp_path / 'mirror')}"
    for word in (f"data.{name}.folder", str(mirrored[1]), address):
        assert word in record["reason"]
    with pytest.raises(Problem, match=rf"data\.{name}: name one copy: its folder"):
        locate(name, settings(tmp_path, file=str(mirrored[0])))


def test_a_folder_with_another_class_is_one_line(tmp_path: Path) -> None:
    root = write_files(tmp_path / "r", contents("imagenet-r"))
    (root / "imagenet-r" / "n00000001").mkdir()
    with pytest.raises(Problem) as problem:
        locate("imagenet-r", settings(tmp_path, folder=str(root)))
    one_line(problem, root / "imagenet-r" / "n00000001", "no class")
    numbers = write_files(tmp_path / "v2", photos(["0", "01"], 1))
    with pytest.raises(Problem, match="v2/01: is no class"):
        locate("imagenet-v2", settings(tmp_path, folder=str(numbers)))


# -- hostile and damaged archives


def link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


HOSTILE: dict[str, list[tarfile.TarInfo]] = {
    "parent": [tarfile.TarInfo("../witness")],
    "absolute parent": [tarfile.TarInfo("imagenet-r/../../witness")],
    "symbolic link": [link("imagenet-r/way", "../..", tarfile.SYMTYPE)],
    "symbolic link inside": [link("imagenet-r/way", "README.txt", tarfile.SYMTYPE)],
    "link": [link("imagenet-r/x", "../../witness", tarfile.LNKTYPE)],
    "device": [link("imagenet-r/null", "", tarfile.CHRTYPE)],
    "pipe": [link("imagenet-r/pipe", "", tarfile.FIFOTYPE)],
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_member_is_refused_and_nothing_stays(tmp_path: Path, kind: str) -> None:
    stream = io.BytesIO(tar(contents("imagenet-r")))
    with tarfile.open(fileobj=stream, mode="a") as archive:
        for member in HOSTILE[kind]:
            archive.addfile(member)
    path = tmp_path / "r.tar"
    path.write_bytes(stream.getvalue())
    with pytest.raises(Problem) as problem:
        locate("imagenet-r", settings(tmp_path, file=str(path)))
    one_line(problem, path)
    assert not list(tmp_path.rglob("witness"))
    assert [p.suffix for p in (tmp_path / "cache" / "unpacked").iterdir()] == [".lock"]


@pytest.mark.parametrize("name", ["../witness", "/witness", "sketch/../../witness"])
def test_a_hostile_zip_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "s.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(Problem) as problem:
        locate("imagenet-sketch", settings(tmp_path, file=str(path)))
    one_line(problem, path, "refused", name)


@pytest.mark.parametrize(("bound", "value"), [("MEMBERS", 3), ("BYTES", 900)])
@pytest.mark.parametrize("name", ["imagenet-r", "imagenet-sketch"])
def test_what_unpacks_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: int, name: str
) -> None:
    path = tmp_path / ("a.tar" if name == "imagenet-r" else "a.zip")
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for member, content in contents(name).items():
                archive.writestr(member, content)
    else:
        path.write_bytes(tar(contents(name)))
    monkeypatch.setattr(unpacking, bound, value)
    with pytest.raises(Problem, match=f"refused: more than .*{value}"):
        locate(name, settings(tmp_path, file=str(path)))


def test_a_damaged_or_locked_archive_is_one_line(tmp_path: Path) -> None:
    whole = tar(contents("imagenet-r"), "gz")
    for name, content in {
        "cut.tar.gz": whole[: len(whole) // 2],
        "changed.tar.gz": whole[:300] + b"?" * 40 + whole[340:],
        "text.tar": b"no archive" * 1000,
        "empty.tar": b"",
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(Problem) as problem:
            locate("imagenet-r", settings(tmp_path, file=str(tmp_path / name)))
        one_line(problem, tmp_path / name, "fetch it again")
    (tmp_path / "text.zip").write_bytes(b"no archive")
    with pytest.raises(Problem, match=r"text\.zip: cannot be unpacked"):
        locate("imagenet-sketch", settings(tmp_path, file=str(tmp_path / "text.zip")))
    (tmp_path / "other.tar").write_bytes(tar({"cats/1.png": photo(0)}))
    with pytest.raises(Problem, match="has no class folders of imagenet-r"):
        locate("imagenet-r", settings(tmp_path, file=str(tmp_path / "other.tar")))


def test_what_a_killed_run_left_is_thrown_away(tmp_path: Path) -> None:
    content = tar(contents("imagenet-r"))
    path = write_files(tmp_path, {"r.tar": content}) / "r.tar"
    name = f"imagenet-r-{hashlib.sha256(content).hexdigest()[:16]}"
    place = tmp_path / "cache" / "unpacked"
    write_files(place / f".{name}.part", {"imagenet-r/n01440764/half.JPEG": b""})
    record = locate("imagenet-r", settings(tmp_path, file=str(path)))
    assert record["classes"] == CLASSES[:3]
    assert {path.name for path in place.iterdir()} == {name, f".{name}.lock"}


def _locate_in_process(given: Mapping[str, Any], counter: str) -> None:
    original = unpacking._untar

    def counted(archive: Path, folder: Path) -> None:
        with open(counter, "a") as stream:
            stream.write("x")
        original(archive, folder)

    unpacking._untar = counted
    assert locate("imagenet-r", given)["status"] == "present"


def test_two_runs_at_once_unpack_once(tmp_path: Path) -> None:
    path = write_files(tmp_path, {"r.tar": tar(contents("imagenet-r"))}) / "r.tar"
    given, counter = settings(tmp_path, file=str(path)), tmp_path / "counter"
    context = multiprocessing.get_context("fork")
    runs = [
        context.Process(target=_locate_in_process, args=(given, str(counter))) for _ in range(3)
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join(30)
    assert [run.exitcode for run in runs] == [0, 0, 0]
    assert counter.read_text() == "x"


def test_finding_photos_imports_neither_torch_nor_torchvision(tmp_path: Path) -> None:
    root = imagenet(tmp_path / "in1k")
    code = (
        "import sys; from sharpness.data.places import locate;"
        f"locate('imagenet', {settings(tmp_path, folder=str(root))!r});"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
