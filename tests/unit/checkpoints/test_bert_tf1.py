"""TensorFlow's checkpoints of BERT, as TensorFlow itself writes them."""

from __future__ import annotations

import shutil
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from toy_bert import TINY, arrays, drawn

from sharpness.checkpoints import formats
from sharpness.checkpoints.bert import tensorflow
from sharpness.io.errors import UserError


def variable(name: str) -> str:
    """What Google's code calls a weight."""
    if name.startswith("classifier"):
        return name.replace("classifier.", "output_").replace("weight", "weights")
    path, last = name.replace("layer.", "layer_").replace(".", "/").rsplit("/", 1)
    if "LayerNorm" in path:
        return f"{path}/{'gamma' if last == 'weight' else 'beta'}"
    return path if "_embeddings" in path else f"{path}/{last.replace('weight', 'kernel')}"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive as Zenodo serves it, of a tiny model; its `checkpoint` names a lost folder."""
    if find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed; `make tensorflow`")
    tf, folder = tensorflow("this test"), tmp_path_factory.mktemp("mirror")
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        weights = arrays(drawn()).items()
        values = {variable(n): a.T if variable(n).endswith("kernel") else a for n, a in weights}
        for name, value in values.items():
            for slot in ("", "/adam_m", "/adam_v"):
                v1.get_variable(name + slot, initializer=np.zeros_like(value))
        v1.train.get_or_create_global_step()
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver()
        saver.save(session, f"{folder}/bert_00/model.ckpt", global_step=990)
        for place in v1.global_variables():
            if (name := place.op.name) in values:
                place.load(values[name], session)
        saver.save(session, f"{folder}/bert_00/model.ckpt", global_step=1000)
    path = shutil.make_archive(f"{folder}/bert_00", "zip", folder, "bert_00")
    shutil.rmtree(folder / "bert_00")
    return Path(path)


def test_what_tensorflow_wrote_is_read(published: Path) -> None:
    back = formats.read("bert-tf1", published, TINY)
    for name, array in arrays(drawn()).items():
        np.testing.assert_array_equal(back[name], array, strict=True)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"depth": 1}, "array bert/encoder/layer_1/.* has no place"),
        ({"classes": 2}, r"array output_weights has shape \(3, 8\); \(2, 8\) is needed"),
    ],
)
def test_another_network_is_refused(published: Path, sizes: dict[str, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        formats.read("bert-tf1", published, TINY | sizes)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("bert_00/model.ckpt-1000.index", "is no whole checkpoint"),
        ("bert_00/model.ckpt-1000.data", "is no whole checkpoint .*Checksum does not match"),
        ("bert_00/", "holds no checkpoint"),
    ],
)
def test_damage_is_one_line(published: Path, tmp_path: Path, part: str, message: str) -> None:
    path = tmp_path / "bert_00.zip"
    with zipfile.ZipFile(published) as whole, zipfile.ZipFile(path, "w") as damaged:
        for name in whole.namelist():
            content = whole.read(name)
            if part != "bert_00/":
                damaged.writestr(name, content[::-1] if name.startswith(part) else content)
    with pytest.raises(UserError, match=f"{path}: {message}"):
        formats.read("bert-tf1", path, TINY)


def test_without_tensorflow_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(UserError, match=r"^bert_00\.zip: is read by TensorFlow.*`make tensorflow`"):
        formats.read("bert-tf1", "bert_00.zip", TINY)
