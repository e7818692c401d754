"""Bad configurations through Snakemake itself: one line, exit code 1, no traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from workspace import Workspace

pytestmark = pytest.mark.workflow

OURS: list[tuple[dict[tuple[str, ...], Any], list[str], str]] = [
    ({("scal",): "x"}, [], "scal: there is no such key; did you mean 'scale'?"),
    ({("scale",): "a/b"}, [], "scale: 'a/b': it must consist of letters"),
    ({}, ["--config", "gpu=1"], "gpu: there is no such key; did you mean 'gpus'?"),
    (
        {("pools", "cifar10-vit", "sweep", "models"): 10**12},
        [],
        "pools.cifar10-vit.sweep.models: 1000000000000: it must be at most 100000",
    ),
    ({("pools", "cifar10-vit", "sharpness", "m"): 5}, [], "m is 5, which does not divide the 32"),
    ({("pools", "report"): {"kind": "sweep"}}, [], "pools.report.title: this key is required"),
    ({("results",): "{results}"}, [], "results: '{results}': it must not hold '{'"),
    ({("simple",): {"two_layer_relu": {"runs": "none.yaml"}}}, [], "none.yaml: No such file"),
]


def lines(said: str) -> list[str]:
    """What is said beside Snakemake's own word on its profile."""
    return [line for line in said.splitlines() if not line.startswith("Using workflow specific")]


@pytest.mark.parametrize(("changes", "arguments", "words"), OURS, ids=[case[2] for case in OURS])
def test_one_line_and_exit_code_1(
    changes: dict[tuple[str, ...], Any], arguments: list[str], words: str, tmp_path: Path
) -> None:
    workspace = Workspace.made(tmp_path)
    for path, value in changes.items():
        workspace.change(*path, value=value)
    done = workspace.attempt("-n", *arguments)
    assert done.returncode == 1
    (line,) = lines(done.stderr)
    assert line.startswith("configuration: ")
    assert words in line
    assert "Traceback" not in done.stdout
    assert not workspace.results.exists()


DAMAGED = {
    "resources/figures.yaml": ("- id: [", "resources/figures.yaml: not YAML"),
    "resources/studies.yaml": ("linear: 1", "resources/studies.yaml: linear: 1: it must be keys"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_catalogue_is_one_line(name: str, tmp_path: Path) -> None:
    workspace = Workspace.made(tmp_path)
    text, words = DAMAGED[name]
    (tmp_path / name).write_text(text)
    done = workspace.attempt("-n")
    assert done.returncode == 1
    (line,) = lines(done.stderr)
    assert words in line
    assert "Traceback" not in done.stdout


# Snakemake reads these itself, before any word of ours.
SNAKEMAKES = {"a: [1": "not valid JSON or YAML", "": "with keys at top level", "- 1": "with keys"}


@pytest.mark.parametrize("text", SNAKEMAKES)
def test_an_overlay_that_is_no_configuration(text: str, tmp_path: Path) -> None:
    workspace = Workspace.made(tmp_path)
    (tmp_path / "tiny.yaml").write_text(text)
    done = workspace.attempt("-n")
    assert done.returncode == 1
    assert SNAKEMAKES[text] in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_an_overlay_that_does_not_exist(tmp_path: Path) -> None:
    workspace = Workspace.made(tmp_path)
    (tmp_path / "tiny.yaml").unlink()
    done = workspace.attempt("-n")
    assert done.returncode == 1
    assert "tiny.yaml" in done.stdout + done.stderr  # with Snakemake's own traceback
    assert not workspace.results.exists()
