"""Abalone, Fashion-MNIST and Cora: files in the publishers' own formats; damaged, hostile, real."""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from photo_files import settings as places
from scipy.sparse import csr_matrix
from small_data import fashion_files, idx, packed

from sharpness.data import small
from sharpness.data.locate import locate, pinned
from sharpness.io.errors import UserError
from sharpness.io.files import sha256

MIRROR = Path(__file__).parents[4] / "shared" / "mirror"
real = pytest.mark.skipif(not MIRROR.is_dir(), reason="needs ../shared/mirror")


def refused(read: Callable[[], Any], *words: object) -> None:
    """It fails in one line that says these words."""
    with pytest.raises(UserError) as problem:
        read()
    message = str(problem.value)
    assert "\n" not in message
    for word in words:
        assert str(word) in message


def located(name: str, tmp_path: Path) -> list[Path]:
    """The real files, through `locate`."""
    record = locate(name, places(tmp_path, mirror=str(MIRROR)))
    assert (record["status"], record["remark"]) == ("present", "")
    return [Path(entry["path"]) for entry in record["files"]]


# -- Abalone

LINE = "M,0.455,0.365,0.095,0.514,0.2245,0.101,0.15,15"


def shells(tmp_path: Path, *, end: str = "\n", **changed: str) -> list[Path]:
    """A whole table; ``line3="..."`` changes the third line."""
    lines = [f"{'MFI'[i % 3]},{i},1,2,3,4,5,.5,{1 + i % 29}" for i in range(small.ABALONE_ROWS)]
    for key, line in changed.items():
        lines[int(key.removeprefix("line")) - 1] = line
    path = tmp_path / "small.data"
    path.write_text("".join(line + end for line in lines), newline="")
    return [path]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_abalone_is_seven_measurements_three_indicators_and_rings(tmp_path: Path, end: str) -> None:
    table = small.read_abalone(shells(tmp_path, end=end))
    i = np.arange(4177)
    assert table.features.dtype == table.rings.dtype == np.float64
    assert np.array_equal(table.features[:, 0], i)
    assert table.features[2, 1:7].tolist() == [1, 2, 3, 4, 5, 0.5]
    assert np.array_equal(table.features[:, 7:], np.eye(3)[i % 3])
    assert np.array_equal(table.rings, 1 + i % 29)


@pytest.mark.parametrize(
    "line",
    [
        "Sex,Length,Diameter,Height,Whole,Shucked,Viscera,Shell,Rings",
        LINE.replace("M", "X"),
        LINE + ",1",
        LINE.replace(",15", ",15.5"),
        LINE.replace(",15", ",0"),
        LINE.replace("0.095", "-0.095"),
        LINE.replace("0.095", "nan"),
    ],
)
def test_a_line_that_is_no_shell_is_named(tmp_path: Path, line: str) -> None:
    files = shells(tmp_path, line4000=line)
    refused(lambda: small.read_abalone(files), f"{files[0]}, line 4000: ")


def test_an_abalone_table_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    (path,) = shells(tmp_path)
    text = path.read_text()
    path.write_text(text[: text.rindex("M")])
    refused(lambda: small.read_abalone([path]), path, "not 4177")
    path.unlink()
    refused(lambda: small.read_abalone([path]), path, "No such file", "fetch it again")


@real
def test_the_real_shells(tmp_path: Path) -> None:
    table = small.read_abalone(located("abalone", tmp_path))
    assert table.features[0].tolist() == [0.455, 0.365, 0.095, 0.514, 0.2245, 0.101, 0.15, 1, 0, 0]
    assert table.features[:, 7:].sum(axis=0).tolist() == [1528, 1307, 1342]  # as UCI documents
    assert (table.rings.min(), table.rings.max()) == (1, 29)
    assert round(table.rings.mean(), 3) == 9.934


# -- Fashion-MNIST


def test_fashion_mnist_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = small.read_fashion_mnist(fashion_files(tmp_path))
    rng = np.random.default_rng(0)
    assert np.array_equal(found.train_images, rng.integers(0, 256, (7, 28, 28)))
    assert np.array_equal(found.test_images, rng.integers(0, 256, (3, 28, 28)))
    assert (found.train_labels.tolist(), found.test_labels.tolist()) == (list(range(7)), [9] * 3)
    assert found.train_images.flags.writeable  # torch warns of arrays that are not


IMAGES = np.zeros((7, 28, 28), np.uint8)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("images", packed(idx(IMAGES))[:-20], "cannot be read"),
        ("images", packed(idx(IMAGES)[:-1]), "5487 values, and says that it holds 7 × 28"),
        ("images", packed(b"\0\0\x0d\3" + idx(IMAGES)[4:]), "no IDX file"),
        ("labels", packed(idx(range(6))), "6 labels for 7 images"),
        ("labels", packed(idx([1, 2, 3, 4, 5, 6, 10])), "others than 0 to 9"),
    ],
)
def test_a_damaged_fashion_mnist_is_one_line(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    files = fashion_files(tmp_path, **{name: content})
    refused(lambda: small.read_fashion_mnist(files), tmp_path / f"{name}.gz", words)


@real
def test_the_real_fashion_files(tmp_path: Path) -> None:
    found = small.read_fashion_mnist(located("fashion-mnist", tmp_path))
    assert (found.train_images.shape, found.test_images.shape) == ((60000, 28, 28), (10000, 28, 28))
    for labels, each in ((found.train_labels, 6000), (found.test_labels, 1000)):
        assert np.bincount(labels).tolist() == [each] * 10
    pixels = found.train_images / np.float32(255)  # the constants of the notebook's Normalize
    assert (round(float(pixels.mean()), 4), round(float(pixels.std()), 4)) == (0.286, 0.353)


# -- Cora


def old(value: Any) -> bytes:
    """A pickle that names modules as they were called when Planetoid was published."""
    content = pickle.dumps(value, protocol=3)
    renamed = content.replace(b"scipy.sparse._csr", b"scipy.sparse.csr")
    return renamed.replace(b"numpy._core", b"numpy.core").replace(b"cbuiltins", b"c__builtin__")


NODES, KNOWN, LABELLED = 512, 506, 5
ORDER = [509, 506, 511, 510, 507, 508]
"""The nodes that the six rows of ``tx`` are."""
WORDS = np.random.default_rng(1).integers(0, 2, (NODES, 4))
TOPICS = np.random.default_rng(2).integers(0, 3, NODES)
NEIGHBOURS = {0: [511, 2, 2], 1: [1], 2: [0], 511: []}


def cora(tmp_path: Path) -> tuple[list[Path], list[str]]:
    """A small graph, and its digests."""
    one_hot = np.eye(3, dtype=np.int32)[TOPICS]
    words = csr_matrix(WORDS.astype(np.float32))
    graph: dict[int, list[int]] = defaultdict(list, NEIGHBOURS)
    whole = {
        **{"x": old(words[:LABELLED]), "y": old(one_hot[:LABELLED])},
        **{"tx": old(words[ORDER]), "ty": old(one_hot[ORDER])},
        **{"allx": old(words[:KNOWN]), "ally": old(one_hot[:KNOWN])},
        "graph": old(graph),
        "test.index": "".join(f"{node}\n" for node in ORDER).encode(),
    }
    files = [tmp_path / f"ind.cora.{part}" for part in whole]
    for path, content in zip(files, whole.values(), strict=True):
        path.write_bytes(content)
    return files, [f"sha256 {sha256(path)}" for path in files]


@pytest.mark.filterwarnings("error")
def test_cora_is_put_in_order_as_planetoid_does(tmp_path: Path) -> None:
    graph = small.read_planetoid(*cora(tmp_path))
    assert np.array_equal(graph.features, WORDS)
    assert np.array_equal(graph.labels, TOPICS)
    assert graph.edges.T.tolist() == [[0, 2], [0, 511], [2, 0], [511, 0]]  # once each way, no loop
    assert graph.train.tolist() == list(range(5))
    assert graph.validation.tolist() == list(range(5, 505))
    assert graph.test.tolist() == list(range(506, 512))


@pytest.mark.parametrize("part", [0, 7])
def test_another_cora_is_refused(tmp_path: Path, part: int) -> None:
    files, pinned = cora(tmp_path)
    files[part].write_bytes(files[part].read_bytes() + b"\n")
    refused(lambda: small.read_planetoid(files, pinned), files[part], "is not the published file")


@real
def test_the_real_graph(tmp_path: Path) -> None:
    record = locate("cora", places(tmp_path, mirror=str(MIRROR)))
    graph = small.read_planetoid([Path(file["path"]) for file in record["files"]], pinned(record))
    assert graph.features.shape == (2708, 1433)
    assert graph.features.sum() == 49216  # words in all, as published
    assert graph.edges.shape == (2, 2 * 5278)
    assert np.bincount(graph.labels).tolist() == [351, 217, 418, 818, 426, 298, 180]
    assert np.bincount(graph.labels[graph.train]).tolist() == [20] * 7
    assert [len(part) for part in (graph.train, graph.validation, graph.test)] == [140, 500, 1000]
    there = set(map(tuple, graph.edges.T.tolist()))
    assert {(b, a) for a, b in there} == there
    assert not [a for a, b in there if a == b]
    # Neighbours share a topic four times in five; the order of the test nodes matters for that.
    assert (graph.labels[graph.edges[0]] == graph.labels[graph.edges[1]]).mean() > 0.8
