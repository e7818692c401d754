"""Bad configurations through Snakemake itself: one line, exit code 1, no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from workspace import VIT, Workspace

pytestmark = pytest.mark.workflow


def lines(workspace: Workspace, *arguments: str) -> list[str]:
    """What is said beside Snakemake's own word on its profile; nothing else may happen."""
    done = workspace.attempt("-n", *arguments)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert not workspace.results.exists()
    return [line for line in done.stderr.splitlines() if not line.startswith("Using workflow")]


def test_a_bad_configuration(tmp_path: Path) -> None:
    workspace = Workspace.made(tmp_path)
    (line,) = lines(workspace, "--config", "gpu=1")
    assert line == "configuration: gpu: there is no such key; did you mean 'gpus'?"


def test_a_key_that_is_there_twice(tmp_path: Path) -> None:
    workspace = Workspace.made(tmp_path)
    overlay = tmp_path / "tiny.yaml"
    overlay.write_text(f"{overlay.read_text()}scale: other\n")
    (line,) = lines(workspace)
    assert "tiny.yaml, line" in line
    assert "the key 'scale' is there twice" in line


def test_a_path_with_a_space(tmp_path: Path) -> None:
    folder = tmp_path / "my papers"
    folder.mkdir()
    (line,) = lines(Workspace.made(folder))
    assert "my papers: the path of the project" in line
    assert "has a space" in line


@pytest.mark.parametrize("option", ["-n", "--lint"])
def test_an_environment_without_the_library(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace.made(tmp_path)
    (tmp_path / "sharpness.py").write_text("import no_such_module")  # found before the library
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (line,) = lines(workspace, option)
    assert line.startswith("No module named 'no_such_module': run `make`, then `source .venv/bin")


def test_a_damaged_catalogue(tmp_path: Path) -> None:
    workspace = Workspace.made(tmp_path)
    (tmp_path / "resources" / "studies.yaml").write_text("linear: 1")
    (line,) = lines(workspace)
    assert line.startswith("resources/studies.yaml: linear: 1: ")


def test_a_pool_with_the_name_of_a_rule_is_refused_by_snakemake(tmp_path: Path) -> None:
    workspace = Workspace.made(tmp_path)
    text = (tmp_path / "config.yaml").read_text().replace(f"  {VIT}:", "  report:")
    (tmp_path / "config.yaml").write_text(text)
    workspace.change("pools", value={})
    assert "The name report is already used by another rule" in workspace.run("-n", fails=True)
