"""SCHEME:REST, and the table of own models."""

from __future__ import annotations

from pathlib import Path

import pytest
from refusal import refused

from sharpness.sources.grammar import MODULE, ModelSource, parse_data, parse_model
from sharpness.sources.table import read_own_table


def test_schemes() -> None:
    assert parse_model("timm:vit_tiny_patch16_224") == ("timm", "vit_tiny_patch16_224")
    assert parse_model("hf:/data/a:b") == ("hf", "/data/a:b")
    assert parse_model("mine.nets:make") == (MODULE, "mine.nets:make")
    assert parse_data("imagefolder:/data/train") == ("imagefolder", "/data/train")
    assert parse_data("cifar10") == ("", "cifar10")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tim:vit", "'timm'"),
        ("vit_tiny", "SCHEME:REST"),
        ("timm:", "SCHEME:REST"),
        ("", "timm:NAME"),
    ],
)
def test_unknown_schemes_are_refused(text: str, said: str) -> None:
    with refused(repr(text), said):
        parse_model(text)


def test_settings_that_contradict_each_other() -> None:
    with refused("pretrained", "checkpoint"):
        ModelSource("timm:vit", checkpoint="a.pt", pretrained=True)
    with refused("revision", "hf:"):
        ModelSource("timm:vit", revision="main")
    with refused("`key`", "not given"):
        ModelSource("timm:vit", key="ema")
    with refused("checksum", "sha256"):
        ModelSource("timm:vit", checkpoint="a.pt", checksum="abc")


def table(tmp_path: Path, text: str) -> Path:
    (tmp_path / "mine.csv").write_text(text)
    return tmp_path / "mine.csv"


def test_a_table_of_own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNS", "/runs")
    path = table(
        tmp_path,
        "model,source,checkpoint,pretrained,seed,width,error_ood\n"
        "a,timm:vit,$RUNS/a.pt,,3,4,0.25\n"
        "b,timm:vit,,yes,,4,\n"
        "c,mine.nets:make,,,3,8,\n"
        "d,timm:vit,,,3,8,\n",
    )
    a, b, c, d = read_own_table(path)
    assert a.source == ModelSource("timm:vit", "/runs/a.pt")
    assert (a.errors, b.errors) == ({"ood": 0.25}, {})
    assert a.parameters == {"seed": 3, "width": 4}
    assert b.source.pretrained
    assert c.source.arguments == {"seed": 3, "width": 8}
    assert d.source.seed == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model,checkpoint\na,b\n", ("'source'",)),
        ("model,source\n", ("no rows",)),
        ("model,source\na,tim:vit\n", ("row 2", "'timm'")),
        ("model,source\na,timm:vit\na,timm:deit\n", ("row 3", "a is there twice")),
        ("model,source\na,timm:vit\nb,timm:vit\n", ("row 3", "same model as a")),
        ("model,source\na\n", ("row 2 has 1 cells",)),
        ("model,source,error_ood\na,timm:vit,25\n", ("row 2", "error_ood", "fraction")),
        ('model,source,lr\na,timm:vit,"0,1"\n', ("row 2", "decimal point")),
        ("model,source,pretrained\na,timm:vit,maybe\n", ("row 2", "'maybe'")),
        ("model,source,seed\na,timm:vit,-1\n", ("row 2", "seed is -1")),
        ("model,source,gap\na,timm:vit,1\n", ("'gap'", "rename")),
        ("model,source,checkpoint\na,timm:vit,$NOWHERE_SET/a\n", ("row 2", "NOWHERE_SET")),
    ],
)
def test_broken_tables_are_refused(text: str, said: tuple[str, ...], tmp_path: Path) -> None:
    path = table(tmp_path, text)
    with refused(path, *said):
        read_own_table(path)
