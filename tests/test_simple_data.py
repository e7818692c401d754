"""Abalone, Fashion-MNIST and Cora: files in the publishers' own formats; damaged, hostile, real."""

from __future__ import annotations

import gzip
import os
import pickle
import struct
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from photo_files import settings as places

from sharpness.data import abalone, fashion_mnist, planetoid
from sharpness.data.loading import load
from sharpness.data.pickles import Sparse, unpickle
from sharpness.data.places import locate
from sharpness.problem import Problem

MIRROR = Path(__file__).parents[2] / "shared" / "mirror"
real = pytest.mark.skipif(not MIRROR.is_dir(), reason="needs ../shared/mirror")


def refused(read: Callable[[], Any], *words: object) -> None:
    """It fails in one line that says these words."""
    with pytest.raises(Problem) as problem:
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
    lines = [f"{'MFI'[i % 3]},{i},1,2,3,4,5,.5,{1 + i % 29}" for i in range(abalone.ROWS)]
    for key, line in changed.items():
        lines[int(key.removeprefix("line")) - 1] = line
    path = tmp_path / "abalone.data"
    path.write_text("".join(line + end for line in lines), newline="")
    return [path]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_abalone_is_seven_measurements_three_indicators_and_rings(tmp_path: Path, end: str) -> None:
    table = abalone.read(shells(tmp_path, end=end, line3=LINE))
    assert table.features.shape == (4177, 10)
    assert table.features.dtype == table.rings.dtype == np.float64
    assert table.features[2].tolist() == [0.455, 0.365, 0.095, 0.514, 0.2245, 0.101, 0.15, 1, 0, 0]
    assert table.rings[2] == 15
    i = np.arange(4177)
    assert np.array_equal(np.delete(table.features[:, 0], 2), np.delete(i, 2))
    sexes = np.delete(table.features[:, 7:], 2, axis=0)
    assert np.array_equal(sexes, np.eye(3)[np.delete(i, 2) % 3])
    assert np.array_equal(np.delete(table.rings, 2), np.delete(1 + i % 29, 2))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Sex,Length,Diameter,Height,Whole,Shucked,Viscera,Shell,Rings",
        LINE.replace("M", "X"),
        LINE.replace("M,", ""),
        LINE + ",1",
        LINE.replace(",15", ""),
        LINE.replace(",15", ",15.5"),
        LINE.replace(",15", ",0"),
        LINE.replace(",15", ",inf"),
        LINE.replace("0.095", "nan"),
        LINE.replace("0.095", "-0.095"),
        LINE.replace("0.095", "tall"),
    ],
)
def test_a_line_that_is_no_shell_is_named(tmp_path: Path, line: str) -> None:
    files = shells(tmp_path, line4000=line)
    refused(lambda: abalone.read(files), f"{files[0]}, line 4000: ")


def test_an_abalone_table_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    (path,) = shells(tmp_path)
    text = path.read_text()
    path.write_text(text[: text.rindex("M")])
    refused(lambda: abalone.read([path]), path, "not 4177")
    path.write_bytes(b"")
    refused(lambda: abalone.read([path]), path, "has 0 rows")
    path.unlink()
    refused(lambda: abalone.read([path]), path, "No such file", "fetch it again")


@real
def test_the_real_shells(tmp_path: Path) -> None:
    table = abalone.read(located("abalone", tmp_path))
    assert table.features[0].tolist() == [0.455, 0.365, 0.095, 0.514, 0.2245, 0.101, 0.15, 1, 0, 0]
    assert table.features[:, 7:].sum(axis=0).tolist() == [1528, 1307, 1342]  # as UCI documents
    assert (table.rings.min(), table.rings.max()) == (1, 29)
    assert round(table.rings.mean(), 3) == 9.934


# -- Fashion-MNIST


def idx(array: Any) -> bytes:
    array = np.asarray(array, np.uint8)
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes((0, 0, 8, array.ndim)) + sizes + array.tobytes()


def packed(content: bytes) -> bytes:
    """Without the time, so that every process collects tests of the same names."""
    return gzip.compress(content, mtime=0)


def clothes(tmp_path: Path, **changed: bytes) -> list[Path]:
    """Seven training and three test images; ``labels=b"..."`` changes the training labels' file."""
    rng = np.random.default_rng(0)
    arrays = {
        "images": rng.integers(0, 256, (7, 28, 28)),
        "labels": range(7),
        "test_images": rng.integers(0, 256, (3, 28, 28)),
        "test_labels": [9] * 3,
    }
    files = []
    for name, array in arrays.items():
        path = tmp_path / f"{name}.gz"
        path.write_bytes(changed.get(name, packed(idx(array))))
        files.append(path)
    return files


def test_fashion_mnist_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = fashion_mnist.read(clothes(tmp_path))
    rng = np.random.default_rng(0)
    assert np.array_equal(found.train_images, rng.integers(0, 256, (7, 28, 28)))
    assert np.array_equal(found.test_images, rng.integers(0, 256, (3, 28, 28)))
    assert (found.train_labels.tolist(), found.test_labels.tolist()) == (list(range(7)), [9] * 3)
    assert found.train_images.dtype == found.train_labels.dtype == np.uint8
    assert found.train_images.flags.writeable  # torch warns of arrays that are not


IMAGES = np.zeros((7, 28, 28), np.uint8)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("images", packed(idx(IMAGES))[:-20], "cannot be read"),
        ("images", packed(idx(IMAGES))[:9], "cannot be read"),
        ("images", b"", "no IDX file of bytes in 3 dimensions"),
        ("images", b"<html>404</html>", "cannot be read"),
        ("images", packed(idx(IMAGES)) + b"more", "cannot be read"),
        ("images", packed(idx(IMAGES)[:-1]), "5487 values, and says that it holds 7 × 28"),
        ("images", packed(idx(IMAGES) + b"\0"), "5489 values"),
        ("images", packed(idx(IMAGES)[:10]), "no IDX file"),
        ("images", packed(b"\0\0\x0d\3" + idx(IMAGES)[4:]), "no IDX file"),
        ("images", packed(idx(range(7))), "no IDX file"),
        ("images", packed(idx(IMAGES[:, :27])), "27 × 28"),
        ("labels", packed(idx(IMAGES)), "no IDX file of bytes in 1"),
        ("labels", packed(idx(range(6))), "6 labels for 7 images"),
        ("labels", packed(idx([1, 2, 3, 4, 5, 6, 10])), "others than 0 to 9"),
        ("test_labels", packed(idx([])), "0 labels for 3 images"),
    ],
)
def test_a_damaged_fashion_mnist_is_one_line(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    files = clothes(tmp_path, **{name: content})
    refused(lambda: fashion_mnist.read(files), tmp_path / f"{name}.gz", words)


@real
def test_the_real_clothes(tmp_path: Path) -> None:
    found = fashion_mnist.read(located("fashion-mnist", tmp_path))
    assert (found.train_images.shape, found.test_images.shape) == ((60000, 28, 28), (10000, 28, 28))
    for labels, each in ((found.train_labels, 6000), (found.test_labels, 1000)):
        assert np.bincount(labels).tolist() == [each] * 10
    pixels = found.train_images / np.float32(255)  # the constants of the notebook's Normalize
    assert (round(float(pixels.mean()), 4), round(float(pixels.std()), 4)) == (0.286, 0.353)


# -- Cora: pickles as Python 2 wrote them, opcode for opcode


def string(content: bytes) -> bytes:
    return b"T" + struct.pack("<i", len(content)) + content


def integer(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def array(values: Any, dtype: str = "<i4") -> bytes:
    """The opcodes of an array in a pickle of protocol 2 by Python 2."""
    content = np.ascontiguousarray(values, dtype)
    shape = b"(" + b"".join(map(integer, content.shape)) + b"t"
    kind = b"cnumpy\ndtype\n" + string(dtype[1:].encode()) + b"K\x00K\x01\x87R(K\x03"
    kind += string(dtype[:1].encode()) + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    start = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01"
    return start + shape + kind + b"\x89" + string(content.tobytes()) + b"tb"


def sparse(matrix: Any, **changed: bytes) -> bytes:
    """A whole pickle of a ``csr_matrix``; ``data=...`` changes the opcodes of that part."""
    matrix = np.asarray(matrix)
    counts = np.count_nonzero(matrix, axis=1)
    state = {
        "format": string(b"csr"),
        "_shape": integer(matrix.shape[0]) + integer(matrix.shape[1]) + b"\x86",
        "indptr": array(np.concatenate([[0], np.cumsum(counts)])),
        "indices": array(np.nonzero(matrix)[1]),
        "maxprint": integer(50),
        "data": array(np.ones(counts.sum()), "<f4"),
        **changed,
    }
    items = b"".join(string(name.encode()) + value for name, value in state.items())
    return b"\x80\x02cscipy.sparse.csr\ncsr_matrix\n)\x81}(" + items + b"ub."


def dense(values: Any) -> bytes:
    return b"\x80\x02" + array(values) + b"."


NODES, KNOWN, LABELLED = 512, 506, 5
ORDER = [509, 506, 511, 510, 507, 508]
"""The nodes that the six rows of ``tx`` are."""
WORDS = np.random.default_rng(1).integers(0, 2, (NODES, 4))
TOPICS = np.random.default_rng(2).integers(0, 3, NODES)
NEIGHBOURS = {0: [511, 2, 2], 1: [1], 2: [0], 511: []}
PARTS = ("x", "y", "tx", "ty", "allx", "ally", "graph", "test.index")


def cora(tmp_path: Path, **changed: bytes) -> list[Path]:
    """A small graph; ``index=b"..."`` changes the bytes of ``test.index``."""
    one_hot = np.eye(3, dtype=np.int32)[TOPICS]
    graph: dict[int, list[int]] = defaultdict(list, NEIGHBOURS)
    whole = {
        "x": sparse(WORDS[:LABELLED]),
        "y": dense(one_hot[:LABELLED]),
        "tx": sparse(WORDS[ORDER]),
        "ty": dense(one_hot[ORDER]),
        "allx": sparse(WORDS[:KNOWN]),
        "ally": dense(one_hot[:KNOWN]),
        "graph": pickle.dumps(graph, protocol=2),
        "index": "".join(f"{node}\n" for node in ORDER).encode(),
    }
    files = []
    for part, content in zip(PARTS, {**whole, **changed}.values(), strict=True):
        path = tmp_path / f"ind.cora.{part}"
        path.write_bytes(content)
        files.append(path)
    return files


@pytest.mark.filterwarnings("error")
def test_cora_is_put_in_order_as_planetoid_does(tmp_path: Path) -> None:
    graph = planetoid.read(cora(tmp_path))
    assert np.array_equal(graph.features, WORDS)
    assert np.array_equal(graph.labels, TOPICS)
    assert graph.features.dtype == np.float32
    assert graph.labels.dtype == graph.edges.dtype == np.int64
    assert graph.edges.flags.c_contiguous
    assert graph.edges.T.tolist() == [[0, 2], [0, 511], [2, 0], [511, 0]]  # once each way, no loop
    assert graph.train.tolist() == list(range(5))
    assert graph.validation.tolist() == list(range(5, 505))
    assert graph.test.tolist() == list(range(506, 512))


def test_scipy_wrote_the_same_state(tmp_path: Path) -> None:
    """The pickle of today's SciPy, under the name that its module had then."""
    scipy_sparse = pytest.importorskip("scipy.sparse")
    content = pickle.dumps(scipy_sparse.csr_matrix(WORDS[ORDER].astype(np.float32)), protocol=2)
    old = content.replace(b"scipy.sparse._csr", b"scipy.sparse.csr")
    assert old != content
    graph = planetoid.read(cora(tmp_path, tx=old))
    assert np.array_equal(graph.features, WORDS)


def call(function: bytes, argument: bytes) -> bytes:
    """A pickle that calls a function with one argument."""
    return b"\x80\x02c" + function + b"\n" + argument + b"\x85R."


@pytest.mark.parametrize("part", ["x", "y", "tx", "ty", "allx", "ally", "graph"])
def test_a_hostile_pickle_is_refused_before_anything_runs(tmp_path: Path, part: str) -> None:
    witness = tmp_path / "witness"
    hostile = call(b"os\nsystem", string(f"touch {witness}".encode()))
    assert pickle.loads(hostile) == 0  # it would act
    assert witness.exists()
    os.remove(witness)
    files = cora(tmp_path, **{part: hostile})
    refused(lambda: planetoid.read(files), f"ind.cora.{part}", "refused", "os.system")
    assert not witness.exists()


@pytest.mark.parametrize(
    "content",
    [
        call(b"collections\ndefaultdict", b"c__builtin__\neval\n"),
        call(b"collections\ndefaultdict", b"N"),
        call(b"scipy.sparse.csr\ncsr_matrix", integer(3)),
        call(b"builtins\nlist", b")"),
        b"\x80\x02cscipy.sparse.csr\ncsr_matrix\n)\x81}(" + string(b"shape") + b"Nub",
        pickle.dumps(np.random.default_rng(), protocol=2),
        b"not a pickle",
        b"",
    ],
)
def test_what_is_no_plain_data_is_refused(content: bytes) -> None:
    refused(lambda: unpickle(content, "the file"), "the file: ")


def test_the_state_of_a_matrix_is_kept_and_not_used() -> None:
    found = unpickle(sparse(WORDS, __class__=integer(1), __setstate__=integer(2)), "x")
    assert type(found) is Sparse
    assert set(vars(found)) == {"state"}


@pytest.mark.parametrize(
    ("part", "content", "words"),
    [
        ("allx", dense(WORDS[:KNOWN]), "no sparse matrix"),
        ("allx", b"\x80\x02cscipy.sparse.csr\ncsr_matrix\n)\x81.", "no sparse matrix"),
        ("allx", sparse(WORDS[:KNOWN], data=array(np.full(1, 1.0), "<f4")), "no sparse matrix"),
        ("tx", sparse(WORDS[ORDER], indices=array([4] * WORDS[ORDER].sum())), "no sparse matrix"),
        ("tx", sparse(WORDS[ORDER], indices=array([-1] * WORDS[ORDER].sum())), "no sparse matrix"),
        ("tx", sparse(WORDS[ORDER], indptr=array(range(6))), "no sparse matrix"),
        ("tx", sparse(np.eye(6, 4), indptr=array([0, 4, 1, 2, 3, 4, 4])), "no sparse matrix"),
        ("tx", sparse(np.eye(6, 4), indptr=array([1, 1, 1, 2, 3, 4, 4])), "no sparse matrix"),
        ("tx", sparse(np.eye(6, 4), data=array([1, 1, 2, 1], "<f4")), "no sparse matrix"),
        ("tx", sparse(np.eye(6, 4), _shape=integer(6) + integer(1 << 30) + b"\x86"), "no sparse"),
        ("tx", sparse(np.eye(6, 4), _shape=integer(6)), "no sparse matrix"),
        ("tx", sparse(np.eye(6, 4), _shape=string(b"ab")), "no sparse matrix"),
        ("tx", sparse(np.eye(6, 5)), "has 5 columns, the other files 4"),
        ("x", sparse(1 - WORDS[:LABELLED]), "not the beginning"),
        ("x", sparse(WORDS[: LABELLED + 1]), "not the beginning"),
        ("y", dense(np.roll(np.eye(3)[TOPICS[:LABELLED]], 1, axis=1)), "not the beginning"),
        ("ally", dense(np.eye(3)[TOPICS[: KNOWN - 1]]), "has 506 rows"),
        ("ally", dense(np.zeros((KNOWN, 3))), "without exactly one class"),
        ("ally", dense(np.full((KNOWN, 3), (2, -1, 0))), "without exactly one class"),
        ("ally", dense(TOPICS[:KNOWN]), "no matrix of indicators"),
        ("ally", sparse(np.eye(3)[TOPICS[:KNOWN]]), "no matrix of indicators"),
        ("ty", dense(np.eye(3)[TOPICS[:5]]), "has 5 rows"),
        ("graph", pickle.dumps([[1], [0]], protocol=2), "no dictionary of neighbours"),
        ("graph", pickle.dumps({0: 1}, protocol=2), "no dictionary of neighbours"),
        ("graph", pickle.dumps({0: [1.5]}, protocol=2), "no dictionary of neighbours"),
        ("graph", pickle.dumps({0: ["1"]}, protocol=2), "no dictionary of neighbours"),
        ("graph", pickle.dumps({}, protocol=2), "no dictionary of neighbours"),
        ("graph", pickle.dumps({0: [NODES]}, protocol=2), "outside 0 to 511"),
        ("graph", pickle.dumps({-1: [0]}, protocol=2), "outside 0 to 511"),
        ("index", b"509 506 511 510 507", "each of the nodes 506 to 511 once"),
        ("index", b"509 506 511 510 507 507", "each of the nodes 506 to 511 once"),
        ("index", b"509 506 511 510 507 999", "each of the nodes 506 to 511 once"),
        ("index", b"<html>", "no list of node numbers"),
        ("index", b"9" * 30, "no list of node numbers"),
    ],
)
def test_a_damaged_cora_is_one_line(tmp_path: Path, part: str, content: bytes, words: str) -> None:
    files = cora(tmp_path, **{part: content})
    named = "allx" if part == "ally" and "rows" in words else part.replace("index", "test.index")
    refused(lambda: planetoid.read(files), tmp_path / f"ind.cora.{named}", words)


@settings(max_examples=150)
@given(data=st.data())
def test_a_wrong_byte_or_a_lost_end_is_read_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever a damaged file says, nobody sees a traceback."""
    files = cora(tmp_path_factory.getbasetemp())
    path = data.draw(st.sampled_from(files))
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, min(len(content), 400) - 1))
    if data.draw(st.booleans()):
        content[place] = data.draw(st.integers(0, 255))
    else:
        del content[place:]
    path.write_bytes(content)
    said = ""
    try:
        planetoid.read(files)
    except Problem as problem:
        said = str(problem)
    assert "\n" not in said


@real
def test_the_real_graph(tmp_path: Path) -> None:
    graph = planetoid.read(located("cora", tmp_path))
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


def test_these_sets_are_not_for_the_pools(tmp_path: Path) -> None:
    record = {"name": "cora", "status": "present", "reason": "", "files": []}
    refused(lambda: load("cora", "train", record), "cora: has no split 'train'")
