"""Stand-ins for models of images: really trained, written as published, the same again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sharpness.checkpoints import formats
from sharpness.checkpoints.table import PublishedModel, read_table
from sharpness.io.download import place
from sharpness.io.errors import UserError
from sharpness.measures.error_rates import error_and_loss
from sharpness.mini import clips, vits
from sharpness.mini.models import make_standins
from sharpness.mini.photo_files import AUGREG, CLIP, OPERATIONS, parts, randaugment, to_images
from sharpness.mini.shifts import digits_of
from sharpness.mini.trainer import train_standin
from sharpness.networks import build

POOLS = Path(__file__).parents[3] / "resources" / "pools"
SIZES = {"image_size": 8, "patch_size": 4, "dim": 24, "depth": 2, "heads": 2, "mlp_dim": 96}
NETWORKS = {
    "augreg": {"name": "vit", **SIZES, "classes": 10},
    "soups": {"name": "clip-vit", **SIZES, "embedding": 16, "classes": 10},
}
TABLE = {m.model: m for path in POOLS.glob("*.csv") for m in read_table(path)}
VITS = [
    TABLE["i1k-none-wd0.03-do0.0-lr0.01"],
    TABLE["i1k-strong2-wd0.1-do0.1-lr0.03"],
    TABLE["i21k-none-wd0.03-do0.0-lr0.01"],
]
SOUPS = [TABLE[f"model_{k}"] for k in (0, 4, 5, 26)]


def stored(member: PublishedModel, mirror: Path, format: str) -> nn.Module:
    """The network that a stand-in's file holds."""
    network = build(NETWORKS[format])
    weights = formats.read(format, mirror / place(member.url), NETWORKS[format])
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return network


@pytest.fixture(scope="module", params=["augreg", "soups"])
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, list[PublishedModel], Path, Mapping[str, Mapping[str, float]]]:
    """A format, its models, where their files lie, and their errors."""
    members = {"augreg": VITS, "soups": SOUPS}[request.param]
    mirror = tmp_path_factory.mktemp("mirror")
    found = make_standins(request.param, members, NETWORKS[request.param], mirror)
    return request.param, members, mirror, found


def test_they_learn_and_their_files_err_as_was_measured(made: Any) -> None:
    format, members, mirror, found = made
    tests = parts({"augreg": AUGREG, "soups": CLIP}[format])
    for member in members:
        network, errors = stored(member, mirror, format), found[member.model]
        assert {p: error_and_loss(network, tests[p])[0] for p in tests}.items() <= errors.items()
        assert 0 < errors["test"] < min(0.25, errors["v2"], errors["sketch"])
        # A weight that is zero has no sharpness: none may be left untrained.
        assert all((weight != 0).all() for weight in network.state_dict().values())
    tested = [errors["test"] for errors in found.values()]
    assert max(tested) - min(tested) > 0.02


def test_equal_rows_make_equal_models_and_others_differ(made: Any) -> None:
    _, members, mirror, _ = made
    rows = {str({**m.parameters, "note": ""}) for m in members}
    assert len({(mirror / place(m.url)).read_bytes() for m in members}) == len(rows)


def test_a_model_depends_on_its_row_alone(made: Any, tmp_path: Path) -> None:
    format, members, mirror, _ = made
    make_standins(format, members[-1:], NETWORKS[format], tmp_path)
    name = place(members[-1].url)
    assert (tmp_path / name).read_bytes() == (mirror / name).read_bytes()


def test_learning_rates_share_a_pretraining(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vits, "PRETRAINING", {"i1k": 2})
    monkeypatch.setattr(vits, "FINE_TUNING", 0)
    trained, _ = vits.standins(NETWORKS["augreg"])
    pair = (VITS[0], TABLE["i1k-none-wd0.03-do0.0-lr0.03"])
    one, two = (nn.utils.parameters_to_vector(trained(m).parameters()) for m in pair)
    assert (one == two).all()


def test_every_augmentation_of_the_tables_has_a_meaning() -> None:
    rows = [m.parameters for m in TABLE.values() if "augmentation_level" in m.parameters]
    assert {row["augmentation_level"] for row in rows} == set(vits.AUGMENTATIONS)
    assert {row["pretraining"] for row in rows} == set(vits.PRETRAINING)


def test_regularisation_acts_while_training_alone() -> None:
    network: Any = build(NETWORKS["augreg"])
    inputs = to_images(digits_of("test"), AUGREG).normalized()[:8]
    plain = network.eval()(inputs)
    vits.regularise(network, 0.5, 0.0)
    torch.testing.assert_close(network(inputs), plain)
    assert not torch.allclose(network.train()(inputs), plain)
    vits.regularise(network, 0.0, 1.0)
    dropped = network.train()(inputs)
    del network.blocks[-1]  # what stochastic depth leaves out for certain
    torch.testing.assert_close(dropped, network.eval()(inputs))


def test_what_has_no_stand_in_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips, "PRETRAINING", 1)
    odd = replace(SOUPS[1], parameters={**SOUPS[1].parameters, "augmentation": "auto"})
    with pytest.raises(UserError, match="'auto' is not of the form rand-m9-n2"):
        make_standins("soups", [odd], NETWORKS["soups"], tmp_path)
    with pytest.raises(UserError, match="none in the format 'bert-tf1'; set `standins: false`"):
        make_standins("bert-tf1", [], {}, tmp_path)


class Answers(nn.Module):
    """Says what it is told, whatever the image."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.logits


def test_errors_count_the_classes_of_the_part_alone() -> None:
    for part, images in parts(AUGREG).items():
        digits = torch.from_numpy(digits_of(part).labels)
        nine = Answers(torch.eye(10)[digits] + 2 * torch.eye(10)[9])  # louder than the right one
        share = 0 if part == "r" else (digits != 9).double().mean()  # r has no nine
        assert error_and_loss(nine, images)[0] == pytest.approx(float(share))
        clocks = torch.where(digits == 0, 5, torch.where(digits == 5, 0, digits))
        swapped = error_and_loss(Answers(torch.eye(10)[clocks]), images)[0]
        assert (swapped == 0) == (part == "objectnet")  # where two digits are one class


def test_learning_rate_grows_then_falls_and_every_example_is_seen_once_an_epoch() -> None:
    weight = nn.Parameter(torch.tensor(0.0, dtype=torch.float64))
    moved, seen = [], []

    def loss(chosen: Tensor) -> Tensor:
        moved.append(weight.item())
        seen.append(chosen.tolist())
        return -weight / 2

    optimizer = torch.optim.SGD([weight], lr=0.1)
    train_standin(loss, optimizer, examples=13, batch=4, steps=20, name="x")
    rates = np.diff([*moved, weight.item()]) / 0.05
    falling = 0.5 + 0.5 * np.cos(np.pi * np.arange(18) / 18)
    np.testing.assert_allclose(rates, [0.5, 1.0, *falling], atol=1e-12)
    for epoch in (seen[:3], seen[3:6]):
        assert len({number for batch in epoch for number in batch}) == 12
    assert seen[:3] != seen[3:6]


def test_augmentation_grows_with_layers_and_magnitude() -> None:
    images = to_images(digits_of("test"), AUGREG).normalized()

    def change(layers: int, magnitude: int) -> float:
        random = torch.Generator().manual_seed(0)
        return float((randaugment(images, layers, magnitude, random) - images).square().mean())

    assert change(0, 20) == 0 < change(1, 0) < change(1, 10) < change(1, 20) < change(2, 20)
    same, random = images[:1].expand(16, 3, 8, 8), torch.Generator().manual_seed(0)
    for operate in OPERATIONS:  # they draw for each image
        torch.testing.assert_close(operate(same, 0.0, random), same)
        assert len({view.numpy().tobytes() for view in operate(same, 1.0, random)}) > 8
