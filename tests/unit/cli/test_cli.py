"""The command line."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from own_models import batches, network
from typer.testing import CliRunner

from sharpness import Definition, sharpness
from sharpness.cli.app import app, main
from sharpness.data.listing import draw_sample
from sharpness.statistics.kendall import kendall

WORDS = ["measure", "own_models:network", "--data", "own_models:batches", "--offline"]
CELL = ["--definition", "worst-linf-adaptive-rawlogits", "--radius", "0.05", "-n", "32", "-b", "8"]


def said(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> str:
    """What a call prints that ends in an error."""
    monkeypatch.setattr(sys, "argv", ["sharpness", *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code not in (0, None)
    return f"{end.value.code}{capsys.readouterr().err}"


def test_measure_gives_the_numbers_of_the_library(tmp_path: Path) -> None:
    torch.manual_seed(4)
    model = network(num_classes=3)
    torch.save(model.state_dict(), tmp_path / "a.pt")
    files = ["--csv", str(tmp_path / "a.csv"), "--json", str(tmp_path / "a.json")]
    result = CliRunner().invoke(
        app, [*WORDS, *CELL, "--checkpoint", str(tmp_path / "a.pt"), *files]
    )
    assert result.exit_code == 0, result.output
    inputs, labels = (torch.cat(parts) for parts in zip(*batches("train"), strict=True))
    rows = draw_sample([{"key": str(k), "place": k} for k in range(32)], "key", 32, 0)
    order = [row["place"] for row in rows]
    own = [(inputs[order[k : k + 8]], labels[order[k : k + 8]]) for k in range(0, 32, 8)]
    expected = sharpness(model, own, Definition.parse(CELL[1]), 0.05)
    found = json.loads((tmp_path / "a.json").read_text())[0]
    assert found["value"] == expected.value
    assert tuple(found["per_batch"]) == expected.per_batch
    row = next(csv.DictReader((tmp_path / "a.csv").open()))
    assert float(row["value"]) == expected.value
    assert f"{expected.value:.6g}" in result.output
    assert f"checkpoint {tmp_path}" in result.stderr


def test_measure_in_mixed_precision(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    words = [*WORDS, *CELL, "--precision", "mixed", "--json", str(file)]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert json.loads(file.read_text())[0]["precision"] == "mixed"


def test_measures_beside_definitions_or_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    names = ["--measure", "fisher-rao", "--measure", "geodesic-inv@0.1"]
    numbers = [*CELL[4:], "--json", str(file)]
    result = CliRunner().invoke(app, [*WORDS, *numbers, *names])
    assert result.exit_code == 0, result.output
    assert [row["status"] for row in json.loads(file.read_text())] == ["ok", "not applicable"]
    assert "fisher-rao" in result.output
    file.unlink()
    result = CliRunner().invoke(app, [*WORDS, *CELL, "--json", str(file), *names[:2]])
    assert [row["cell"] for row in json.loads(file.read_text())][1:] == ["fisher-rao"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "nothing to measure"),
        (CELL[:2], "belong together"),
        (CELL[2:4], "belong together"),
        (["--measure", "flatness"], "'flatness' is unknown"),
    ],
)
def test_what_to_measure_is_said_in_full(
    words: list[str], why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert why in said([*WORDS, *CELL[4:], *words], monkeypatch, capsys)


def test_random_weights_and_a_useless_error_are_said() -> None:
    result = CliRunner().invoke(app, ["measure", "own_models:always_last", *WORDS[2:], *CELL])
    assert "no better than chance" in result.stderr
    assert "outputs by their order (0 is 0, 1 is 1, 2 is 2)" in result.stderr


def test_radii_are_found(tmp_path: Path) -> None:
    words = [*WORDS, *CELL[:2], "--radius", "auto", *CELL[4:], "--csv", str(tmp_path / "a.csv")]
    torch.manual_seed(0)
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    values = [float(row["value"]) for row in csv.DictReader((tmp_path / "a.csv").open())]
    assert values == pytest.approx([0.02, 0.1, 0.5], rel=0.1)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--radius", "x"], "--radius x"),
        (["--radius", "-1"], "--radius -1"),
        (["-b", "7"], "-b 7: does not divide"),
        (["-n", "64"], "has 32 training examples"),
        (["--protocol", "papers"], "paper, released"),
        (["--definition", "worst"], "definition 'worst'"),
        (["--mean", "0.5"], "belong together"),
        (["--argument", "width"], "NAME=VALUE"),
        (["--checkpoint", "nowhere.pt"], "nowhere.pt: no such checkpoint"),
        (["--data", "nowhere:x"], "no module 'nowhere'"),
        (["--data", "imagenet"], "got by hand"),
        (["--labels", "nowhere.csv"], "--labels nowhere.csv: no such file"),
        (["--data", "csv:nowhere.csv"], "csv:nowhere.csv: no such file"),
        (["--data", "imagefolder:nowhere"], "nowhere is no folder"),
        (["--radius", "1e30"], "from 1e-12 to 1e12"),
        (
            ["--measure", "geodesic-inv@auto"],
            "finds none, for instance geodesic-inv@auto: the model",
        ),
        (["--argument", "widht=8"], "did you mean 'width'"),
        (["--csv", "."], "is a folder"),
        (["--json", f"{__file__}/a.json"], "its folder cannot be made"),
    ],
)
def test_wrong_options(
    more: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert message in said([*WORDS, *CELL, *more], monkeypatch, capsys)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    frame = pd.DataFrame(
        {"model": list("abcdefgh"), "s": range(8), "gap": [0, 2, 1, 3, 4, 6, 5, 7]}
    )
    frame["kind"], frame["same"] = ["x", "y"] * 4, 1
    frame.to_csv(tmp_path / "table.csv", index=False)
    return tmp_path / "table.csv"


def test_correlate(table: Path, tmp_path: Path) -> None:
    out, png = tmp_path / "out.csv", tmp_path / "out.png"
    words = ["correlate", str(table), "--target", "gap", "--by", "kind"]
    result = CliRunner().invoke(app, [*words, "--csv", str(out), "--plot", str(png)])
    assert result.exit_code == 0, result.output
    found = pd.read_csv(out).set_index("group")
    expected = kendall(range(8), [0, 2, 1, 3, 4, 6, 5, 7])
    assert found.loc["all", "tau"] == pytest.approx(expected.tau)
    assert set(found.index) == {"all", "kind=x", "kind=y"}
    assert f"{expected.tau:.2f}" in result.output
    assert png.stat().st_size > 1000


def test_correlate_refuses_what_is_no_column(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    words = ["correlate", str(table), "--target"]
    assert "did you mean 'gap'" in said([*words, "gapp"], monkeypatch, capsys)
    assert "column 'kind' holds 'x'" in said([*words, "kind"], monkeypatch, capsys)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("s,gap\n1,2,9\n2,3,8\n3,4,7\n", "row 2 has 3 cells; the header has 2"),
        ("s,gap,s\n1,2,9\n", "'s' is there twice"),
        ('s,gap\n1,"0,5"\n', "holds '0,5'"),
        ("s;gap\n1;2\n", "semicolons"),
        ("s,gap\n", "no column of varied numbers"),
    ],
)
def test_odd_tables(
    text: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    (tmp_path / "a.csv").write_text(text)
    words = ["correlate", str(tmp_path / "a.csv"), "--target", "gap"]
    assert message in said(words, monkeypatch, capsys)


def test_a_column_in_brackets_is_shown_and_a_mixed_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "gap,[linf],mixed,kind\n" + "".join(f"{k},{k},{k},x\n" for k in range(8)) + "8,8,NA,x\n"
    )
    out = tmp_path / "new" / "a.png"
    result = CliRunner().invoke(
        app, ["correlate", str(path), "--target", "gap", "--plot", str(out)]
    )
    assert result.exit_code == 0, result.output
    assert "[linf]" in result.stdout
    assert "'mixed' holds numbers, but 'NA' too" in result.stderr
    assert "kind" not in result.stderr
    assert out.stat().st_size > 1000


def test_no_value_is_exit_code_1() -> None:
    result = CliRunner().invoke(app, [*WORDS, *CELL, "--parameters", "[/w]zzz"])
    assert result.exit_code == 1
    assert "[/w]zzz" in result.output


def test_what_needs_no_torch_imports_none(table: Path) -> None:
    code = (
        "import sys; from sharpness.cli.app import main; sys.argv[1:] = {}\n"
        "try: main()\nexcept SystemExit: pass\n"
        "assert 'torch' not in sys.modules"
    )
    absent = ["measure", "timm:vit", "--checkpoint", "nowhere", "--data", "digits", *CELL]
    correlated = ["correlate", str(table), "--target", "gap"]
    for words in (correlated, ["list", "definitions"], absent):
        subprocess.run([sys.executable, "-c", code.format(words)], check=True, timeout=100)


@pytest.mark.parametrize("kind", ["definitions", "measures", "models", "data"])
def test_list(kind: str) -> None:
    result = CliRunner().invoke(app, ["list", kind])
    named = {
        "definitions": "worst-l2-adaptive-normlogits",
        "measures": "geodesic-inv@radius",
        "models": "NAME[@WEIGHTS]",
    }
    assert result.exit_code == 0
    assert named.get(kind, "imagefolder:PATH") in result.output


def test_check_and_run_outside_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "config.yaml: is not here" in said(["check", "mine.yaml"], monkeypatch, capsys)
    assert "no Snakefile here" in said(["run", "mine.yaml"], monkeypatch, capsys)


def test_check_says_one_line_a_pool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])
    result = CliRunner().invoke(app, ["check", "config/paper.yaml"])
    assert "cifar10-resnet18: 200 models" in result.output
    (tmp_path / "bad.yaml").write_text("pools: {cifar10-vit: {sweep: {mixupp: 1}}}")
    message = said(["check", str(tmp_path / "bad.yaml")], monkeypatch, capsys)
    assert "did you mean 'mixup'" in message
    (tmp_path / "bad.yaml").write_text("- a")
    assert "is no overlay" in said(["check", str(tmp_path / "bad.yaml")], monkeypatch, capsys)
