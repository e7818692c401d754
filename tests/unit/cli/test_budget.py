"""``sharpness budget``: its tables, and the documented ones as they are computed."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_cli import said
from typer.testing import CliRunner

from sharpness.cli.app import app

ROOT = Path(__file__).parents[3]
PAPER = ["budget", "config/paper.yaml", "--card", "a100"]


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_the_documentation_has_the_estimate() -> None:
    result = CliRunner().invoke(app, PAPER)
    assert result.exit_code == 0, result.output
    page = (ROOT / "docs" / "paper-scale.md").read_text(encoding="utf-8")
    _, _, steps, pools, jobs = result.output.strip().split("\n\n")
    for table in (steps, pools, jobs):
        assert table in page


def test_resized_photos_are_listed_where_they_are_kept(tmp_path: Path) -> None:
    overlay = tmp_path / "kept.yaml"
    overlay.write_text(f"photo_cache: {tmp_path}\n")
    result = CliRunner().invoke(app, [*PAPER, str(overlay)])
    assert result.exit_code == 0, result.output
    _, _, photos, *_ = result.output.strip().split("\n\n")
    assert "| imagenet-v2 test augreg 224 | 10,000 | 6.0 |" in photos
    assert photos.endswith("| all | 266,963 | 138.2 |")


def test_a_run_is_compared_with_its_estimate(tmp_path: Path) -> None:
    folder = tmp_path / "benchmarks" / "clip-soups"
    (folder / "evaluate").mkdir(parents=True)
    (folder / "pool.tsv").write_text("s\tcpu_time\n2\t1.9\n")
    (folder / "evaluate" / "model_0.tsv").write_text("s\tcpu_time\n2\t1.5\n")
    result = CliRunner().invoke(app, ["budget", "--card", "a100", "--compare", str(tmp_path)])
    assert result.exit_code == 0, result.output
    lines = result.output.strip().splitlines()
    assert "| other jobs of correlation and figures | 1 | 1 | 2 | 2.00 |" in lines
    assert any(line.startswith("| evaluate clip-soups | 1 | 3 | 2 |") for line in lines)


def test_the_case_of_a_card_does_not_matter() -> None:
    found = [CliRunner().invoke(app, ["budget", "--card", card]) for card in ("a100", "A100")]
    assert found[0].exit_code == found[1].exit_code == 0
    assert found[0].output == found[1].output


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--card", "a10"], "did you mean 'a100'"),
        (["--card", "a100", "--measure"], "does not go with --measure"),
        (["none.yaml"], "none.yaml: no such file"),
        (["--card", "a100", "--compare", "tests"], "tests: has no benchmarks"),
    ],
)
def test_what_is_wrong_is_said(
    words: list[str], why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert why in said(["budget", *words], monkeypatch, capsys)
