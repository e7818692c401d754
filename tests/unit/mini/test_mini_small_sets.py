"""The stand-ins for the data of Hammoud et al.: read as the published sets are, and learnable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from photo_files import listed, settings

from sharpness.data.locate import locate
from sharpness.data.small import digits
from sharpness.io.files import sha256
from sharpness.mini import data_sets
from sharpness.mini.data_sets import LOYAL, digests, write_small_sets
from sharpness.studies.hammoud import gat_models as gat
from sharpness.studies.hammoud.pool import read_examples
from sharpness.studies.hammoud.procedures import DATA, PRESETS


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    write_small_sets(folder / "mirror")
    return folder


def found(own: Path, network: str):
    """What a network is trained on."""
    given = settings(own, mirror=str(own / "mirror"), standin=listed(own))
    return read_examples(network, locate(DATA[network], given), None)


def test_files_are_the_same_every_time(own: Path, tmp_path: Path) -> None:
    write_small_sets(tmp_path / "mirror")
    assert len(digests(own)) == 13
    assert digests(tmp_path) == digests(own)


def test_a_linear_fit_explains_half_of_the_rings(own: Path) -> None:
    shells = found(own, "fcnn")
    columns = np.column_stack([shells.features, shells.features[:, 3:7] ** 0.5])
    rings = shells.rings - shells.rings.mean()
    fit = columns @ np.linalg.lstsq(columns, rings, rcond=None)[0]
    assert 0.4 < 1 - np.square(rings - fit).sum() / np.square(rings).sum() < 0.8
    assert (shells.rings.min(), shells.rings.max()) >= (1, 20)


def test_the_digits_are_whole(own: Path) -> None:
    clothes = found(own, "lenet")
    assert (clothes.train_images.shape, clothes.test_images.shape) == (
        (1000, 28, 28),
        (797, 28, 28),
    )
    assert np.array_equal(clothes.train_images[:, 3:26:3, 3:26:3], digits("train").pixels[:, 0])
    assert clothes.test_labels.tolist() == digits("test").labels.tolist()


def test_a_gat_learns_the_topics_and_not_all_of_them(own: Path) -> None:
    graph = found(own, "gat")
    assert np.bincount(graph.labels[graph.train]).tolist() == [20] * 7
    same = graph.labels[graph.edges[0]] == graph.labels[graph.edges[1]]
    assert abs(same.mean() - LOYAL) < 0.03
    rows = list(gat.train_and_measure_gat(graph, PRESETS["gat"]["code"], 0, [0, 1]))
    for row in rows:
        assert 0.4 < float(row["test_accuracy"]) < 0.9


def test_downloads_stay_until_the_stand_ins_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = b"a photo"

    def write_photos(own: Path) -> None:
        (own / "folders" / "imagenet" / "train").mkdir(parents=True)
        (own / "folders" / "imagenet" / "train" / "0.png").write_bytes(photo)

    monkeypatch.setattr(data_sets, "write_photos", write_photos)
    made = data_sets.write_data(tmp_path)
    assert "folders/imagenet" in made
    assert all(made[name] == sha256(tmp_path / name) for name in made if name.startswith("mirror"))
    (tmp_path / "cache").mkdir()
    assert data_sets.write_data(tmp_path) == made
    assert (tmp_path / "cache").exists()
    photo = b"another"
    assert data_sets.write_data(tmp_path) != made
    assert not (tmp_path / "cache").exists()
