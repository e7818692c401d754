"""The authors' CIFAR-10 models: what their file names say, and their weights."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from toys import RESNET, VIT

from sharpness.networks import build
from sharpness.pools.formats import read, write
from sharpness.pools.released import COLUMNS, main, table_of
from sharpness.pools.table import read_table
from sharpness.problem import Problem
from sharpness.training.checkpoint import load_strictly

SEEN = (
    Path(__file__).parents[2]
    / "shared"
    / "reference"
    / "cifar10_checkpoints_seen_in_third_party_logs.csv"
)
NAME = (
    "{time} dataset=cifar10 model={model} epochs=200 lr_max={rate} model_width=64 l2_reg=0.0"
    " sam_rho={rho} batch_size=128 frac_train=1 p_label_noise=0.0 lr_schedule=cyclic augm={augm}"
    " randaug={augm} seed=0 epoch=200.pth"
)


def named(**changes: str) -> str:
    usual = {
        "time": "2023-01-15 14:02:36.368",
        "model": "resnet18",
        "rate": "0.4633774",
        "rho": "0.05",
        "augm": "True",
    }
    return NAME.format(**usual | changes)


def test_a_row_says_what_the_name_says(tmp_path: Path) -> None:
    (tmp_path / "batch 2").mkdir()
    first = tmp_path / named()
    second = tmp_path / "batch 2" / named(time="2023-01-15 14_03_02.241", rho="0.0", augm="False")
    for path in (second, first, tmp_path / "README.txt"):
        path.touch()
    shared = {"learning_rate": "0.4633774", "epochs": "200", "seed": "0"}
    assert table_of(tmp_path) == [
        {
            "model": "resnet18-2023-01-15-14-02-36.368",
            "sam_rho": "0.05",
            "augment": "True",
            "file": str(first.absolute()),
            **shared,
        },
        {
            "model": "resnet18-2023-01-15-14-03-02.241",
            "sam_rho": "0.0",
            "augment": "False",
            "file": str(second.absolute()),
            **shared,
        },
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
    assert members[0].parameters == {
        "learning_rate": 0.4633774,
        "sam_rho": 0.05,
        "augment": "True",
        "epochs": 200,
        "seed": 0,
    }
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
    with pytest.raises(Problem, match="holds no released vit"):
        table_of(tmp_path, "vit")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.pth", "is not named like a released model"),
        (named().replace("dataset=cifar10", "dataset=svhn"), "says dataset=svhn"),
        (named().replace(" seed=0", ""), "says seed=nothing"),
        (named(rate="fast"), "says lr_max=fast"),
        (named(model="-rf"), "says model=-rf"),
        (named().replace("epoch=200.pth", "epoch=100.pth"), "says epoch=100"),
        (named().replace("randaug=True", "randaug=False"), "says randaug=False"),
    ],
)
def test_a_name_that_says_too_little(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(Problem, match=message) as caught:
        table_of(tmp_path)
    assert name in str(caught.value)


def test_a_model_that_is_there_twice(tmp_path: Path) -> None:
    (tmp_path / named()).touch()
    (tmp_path / named().replace(":", "_")).touch()
    with pytest.raises(Problem, match="the same model as"):
        table_of(tmp_path)


def test_an_empty_folder_and_none(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(Problem, match=f"{folder}: holds no released models"):
            table_of(folder)


@pytest.mark.skipif(not SEEN.is_file(), reason="the reference tables are not beside the project")
def test_all_names_ever_seen_are_understood(tmp_path: Path) -> None:
    with open(SEEN, encoding="utf-8", newline="") as stream:
        seen = {row["filename"]: row for row in csv.DictReader(stream)}
    for name in seen:
        (tmp_path / name).touch()
    counts = {"resnet18": 50, "vit_exp": 198}
    for model, count in counts.items():
        rows = table_of(tmp_path, model)
        assert len(rows) == count
        for row in rows:
            facts = seen[Path(row["file"]).name]
            assert facts["model"] == model
            for ours, theirs in (("learning_rate", "lr_max"), ("augment", "augm")):
                assert row[ours] == facts[theirs]
            assert (row["sam_rho"], row["epochs"], row["seed"]) == (
                facts["sam_rho"],
                facts["epochs"],
                facts["seed"],
            )


ARCHITECTURES = {
    "resnet": (RESNET, "linear.bias"),
    "vit": (VIT, "linear_head.1.bias"),
}


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
    back = read("cifar10-released", path, architecture)
    copy = build(architecture).eval()
    tensors = {name: torch.from_numpy(array.copy()) for name, array in back.items()}
    load_strictly(copy, tensors, "weights")
    images = digits[0][:16]
    torch.testing.assert_close(copy(images), network(images), atol=0, rtol=0)


def test_a_diverged_model_is_read(tmp_path: Path, vit: nn.Module) -> None:
    weights = {name: torch.full_like(t, torch.nan) for name, t in vit.state_dict().items()}
    back = read("cifar10-released", save(tmp_path / "x.pth", weights), VIT)
    assert all(np.isnan(array).all() for array in back.values())


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_what_does_not_fit_is_named(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    architecture, bias = ARCHITECTURES[kind]
    whole = request.getfixturevalue(kind).state_dict()
    cases = [
        ({name: t for name, t in whole.items() if name != bias}, f"{bias} is missing"),
        (whole | {"extra": torch.ones(1)}, "extra has no place"),
        (whole | {bias: torch.ones(9)}, rf"{bias} is float32 of shape \(9,\); float32 of \(10,\)"),
        (whole | {bias: torch.ones(10).half()}, f"{bias} is float16"),
    ]
    for number, (weights, message) in enumerate(cases):
        path = save(tmp_path / f"{number}.pth", weights)
        with pytest.raises(Problem, match=message) as caught:
            read("cifar10-released", path, architecture)
        assert str(path) in str(caught.value)


def test_another_architecture_is_refused(tmp_path: Path, vit: nn.Module) -> None:
    path = save(tmp_path / "x.pth", vit.state_dict())
    with pytest.raises(Problem, match="another architecture"):
        read("cifar10-released", path, RESNET)


def test_weights_without_a_key_are_refused(tmp_path: Path, vit: nn.Module) -> None:
    torch.save(vit.state_dict(), tmp_path / "x.pth")
    with pytest.raises(Problem, match="last"):
        read("cifar10-released", tmp_path / "x.pth", VIT)


class Boom:
    """A pickle of it would make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.mkdir, (self.folder,)


def test_a_file_that_acts_is_refused_unread(tmp_path: Path, vit: nn.Module) -> None:
    path = save(tmp_path / "x.pth", vit.state_dict(), best=Boom(tmp_path / "made"))
    with pytest.raises(Problem, match="refused"):
        read("cifar10-released", path, VIT)
    assert not (tmp_path / "made").exists()


def test_released_files_are_only_read(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="only read"):
        write("cifar10-released", tmp_path / "x.pth", {}, VIT)
