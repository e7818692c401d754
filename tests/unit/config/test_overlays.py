"""The overlays beside config/paper.yaml: each is valid, and does what its comments say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_config import ROOT, default, merged

from sharpness.checkpoints.released import main
from sharpness.config import validated
from sharpness.config.required import missing_by_hand, needed_data, needed_parts
from sharpness.data.registry import SOURCES

NAME = (
    "2023-01-15 14:02:36.{number} dataset=cifar10 model={model} epochs=200 lr_max=0.46"
    " model_width=64 l2_reg=0.0 sam_rho=0.05 batch_size=128 frac_train=1 p_label_noise=0.0"
    " lr_schedule=cyclic augm=True randaug=True seed=0 epoch=200.pth"
)
TABLES = {"released-resnet18": "resnet18", "released-vit": "vit_exp"}
SWEEPS = {"released-resnet18": "cifar10-resnet18", "released-vit": "cifar10-vit"}


def text_of(overlay: str) -> str:
    return (ROOT / "config" / overlay).read_text(encoding="utf-8")


def loaded(overlay: str) -> dict[str, Any]:
    return yaml.safe_load(text_of(overlay))


def test_the_released_models_need_a_table_of_their_file_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    overlay = loaded("released-cifar10.yaml")
    for number, (pool, model) in enumerate(TABLES.items()):
        (tmp_path / NAME.format(number=100 + number, model=model)).touch()
        table = overlay["pools"][pool]["checkpoints"]["models"]
        command = f"python -m sharpness.checkpoints.released FOLDER --model {model} > {table}"
        assert command in text_of("released-cifar10.yaml")
    for pool, model in TABLES.items():
        assert main([str(tmp_path), "--model", model]) == 0
        table = overlay["pools"][pool]["checkpoints"]["models"]
        (tmp_path / table).write_text(capsys.readouterr().out)
    (tmp_path / "resources").symlink_to(ROOT / "resources")

    config = validated(merged(default(), overlay))
    assert list(config.pools) == list(TABLES)
    assert missing_by_hand(config, needed_data(config, needed_parts(config), ())) == []
    paper = merged(default(), loaded("paper.yaml"))["pools"]
    for name, sweep in SWEEPS.items():
        pool, ours = config.pools[name], paper[sweep]
        assert (pool.table, len(pool.models)) == (ours["table"], 1)
        assert pool.data == ours["data"]
        assert pool.architecture.model_dump().items() >= ours["architecture"].items()
        left_out = {"seed", "ablations", "parameters", "precision", "compile", "measures"}
        stated = pool.sharpness.model_dump(exclude=left_out)
        assert stated == {key: ours["sharpness"][key] for key in stated}


def test_the_template_names_every_set_that_is_got_by_hand() -> None:
    """Its settings are the lines in which no space follows the #, or two."""
    text = text_of("data-here.yaml")
    paper = merged(default(), loaded("paper.yaml"))
    assert validated(merged(paper, loaded("data-here.yaml"))).data == {}
    whole = yaml.safe_load(re.sub(r"^#(?=data:|  )", "", text, flags=re.MULTILINE))
    config = validated(merged(paper, whole))
    assert set(config.data) == set(SOURCES)
    by_hand = [name for name, source in SOURCES.items() if not source.published]
    assert list(config.data)[: len(by_hand)] == by_hand
    before = text[: text.index("The rest is downloaded")]
    assert all(f"#  {name}:" in before for name in by_hand)
    assert config.data["imagenet"].holdout


def test_the_note_of_scale_mini_is_not_inherited_by_another_scale() -> None:
    mini = default()
    assert validated(mini).note.startswith("mini:")
    assert validated({**mini, "scale": "mine"}).note == ""
    assert validated({**mini, "scale": "mine", "note": "my models"}).note == "my models"
