"""The authors' CIFAR-10 models: what their file names say, and their weights."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
import torch
from refusal import refused
from torch import Tensor, nn
from toys import RESNET, VIT

from sharpness.checkpoints import formats
from sharpness.checkpoints.released import COLUMNS, main, table_of
from sharpness.checkpoints.table import read_table
from sharpness.networks import build
from sharpness.training.checkpoint import load_strictly

NAME = (
    "{time} dataset=cifar10 model={model} epochs=200 lr_max={rate} model_width=64 l2_reg=0.0"
    " sam_rho={rho} batch_size=128 frac_train=1 p_label_noise=0.0 lr_schedule=cyclic augm={augm}"
    " randaug={augm} seed=0 epoch=200.pth"
)


def named(**changes: str) -> str:
    usual = {"time": "2023-01-15 14:02:36.368", "model": "resnet18", "rate": "0.4633774"}
    return NAME.format(**usual | {"rho": "0.05", "augm": "True"} | changes)


def test_a_row_says_what_the_name_says(tmp_path: Path) -> None:
    (tmp_path / "batch 2").mkdir()
    first = tmp_path / named()
    second = tmp_path / "batch 2" / named(time="2023-01-15 14_03_02.241", rho="0.0", augm="False")
    for path in (second, first, tmp_path / "README.txt"):
        path.touch()
    facts = ("model", "learning_rate", "sam_rho", "augment", "epochs", "seed", "file")
    name, rate = "resnet18-2023-01-15-14", "0.4633774"
    assert [[row[fact] for fact in facts] for row in table_of(tmp_path)] == [
        [f"{name}-02-36.368", rate, "0.05", "True", "200", "0", str(first.absolute())],
        [f"{name}-03-02.241", rate, "0.0", "False", "200", "0", str(second.absolute())],
    ]


def test_the_printed_table_is_a_pools_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for time in ("2023-01-15 14:02:36.368", "2023-01-14 23_50_20.864"):
        (tmp_path / named(time=time)).touch()
    assert main([str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[0] == ",".join(COLUMNS)
    (tmp_path / "mine.csv").write_text(text)
    members = read_table(tmp_path / "mine.csv")
    assert [member.model[:13] for member in members] == ["resnet18-2023"] * 2
    shared = {"learning_rate": 0.4633774, "epochs": 200, "seed": 0}
    assert members[0].parameters == {**shared, "sam_rho": 0.05, "augment": "True"}
    assert all(Path(member.file).is_file() for member in members)


def test_a_folder_of_both_architectures_needs_a_choice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / named()).touch()
    (tmp_path / named(model="vit_exp")).touch()
    assert main([str(tmp_path)]) == 1
    assert "holds resnet18 and vit_exp; choose one with --model" in capsys.readouterr().err
    assert main([str(tmp_path), "--model", "vit_exp"]) == 0
    assert [row["model"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))] == [
        "vit_exp-2023-01-15-14-02-36.368"
    ]
    with refused("holds no released vit"):
        table_of(tmp_path, "vit")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.pth", "is not named like a released model"),
        (named().replace("dataset=cifar10", "dataset=svhn"), "says dataset=svhn"),
        (named().replace(" seed=0", ""), "says seed=nothing"),
        (named(rate="fast"), "says lr_max=fast"),
        (named().replace("randaug=True", "randaug=False"), "says randaug=False"),
    ],
)
def test_a_name_that_says_too_little(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).touch()
    with refused(name, message):
        table_of(tmp_path)


def test_a_model_that_is_there_twice_or_not_at_all(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with refused(f"{folder}: holds no released models"):
            table_of(folder)
    (tmp_path / named()).touch()
    (tmp_path / named().replace(":", "_")).touch()
    with refused("the same model as"):
        table_of(tmp_path)


ARCHITECTURES = {"resnet": (RESNET, "linear.bias"), "vit": (VIT, "linear_head.1.bias")}


def save(path: Path, weights: dict[str, Tensor], **others: Any) -> Path:
    torch.save({"last": weights, **others}, path)
    return path


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_the_final_weights_give_equal_logits(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest, digits: tuple[Tensor, Tensor]
) -> None:
    network: nn.Module = request.getfixturevalue(kind)
    architecture, _ = ARCHITECTURES[kind]
    other = {name: tensor + 1 for name, tensor in network.state_dict().items()}
    path = save(tmp_path / named(), network.state_dict(), best=other)
    back = formats.read("cifar10-released", path, architecture)
    copy = build(architecture).eval()
    tensors = {name: torch.from_numpy(array.copy()) for name, array in back.items()}
    load_strictly(copy, tensors, "weights")
    images = digits[0][:16]
    torch.testing.assert_close(copy(images), network(images), atol=0, rtol=0)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_what_does_not_fit_is_named(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    architecture, bias = ARCHITECTURES[kind]
    whole = request.getfixturevalue(kind).state_dict()
    cases = [
        ({name: t for name, t in whole.items() if name != bias}, f"{bias} is missing"),
        (whole | {"extra": torch.ones(1)}, "extra has no place"),
        (whole | {bias: torch.ones(9)}, f"{bias} is float32 of shape (9,); float32 of (10,)"),
        (whole | {bias: torch.ones(10).half()}, f"{bias} is float16"),
    ]
    for number, (weights, message) in enumerate(cases):
        path = save(tmp_path / f"{number}.pth", weights)
        with refused(path, message):
            formats.read("cifar10-released", path, architecture)


def test_another_file_is_refused(tmp_path: Path, vit: nn.Module) -> None:
    path = save(tmp_path / "x.pth", vit.state_dict())
    with refused("another architecture"):
        formats.read("cifar10-released", path, RESNET)
    torch.save(vit.state_dict(), path)
    with refused("no dict with the key 'last'"):
        formats.read("cifar10-released", path, VIT)
    with refused("only read"):
        formats.write("cifar10-released", path, {}, VIT)
