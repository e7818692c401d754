"""What Snakemake remembers is lost, damaged or overruled, and no stale file enters a pool.

It is refused in one line, whose command leads to what an undisturbed run makes.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from workspace import RESNET, Workspace, jobs

pytestmark = pytest.mark.workflow

FIGURES = ("fig29", "fig31")
Step = Callable[[Workspace], Any]


def made(folder: Path) -> Workspace:
    """One pool, two figures, one table."""
    folder.mkdir()
    workspace = Workspace.made(folder, pools=(RESNET,))
    workspace.change("pools", RESNET, "training", "epochs", value=2)
    catalogue = folder / "resources" / "figures.yaml"
    figures = [
        figure for figure in yaml.safe_load(catalogue.read_text()) if figure["id"] in FIGURES
    ]
    catalogue.write_text(yaml.safe_dump(figures, sort_keys=False))
    return workspace


def setting(*path: str, value: Any) -> Step:
    return lambda workspace: workspace.change("pools", RESNET, *path, value=value)


CHANGES: dict[str, tuple[Step, str]] = {
    "a radius": (
        setting("sharpness", "radii", "worst-linf-adaptive-rawlogits", value=[0.003]),
        "wanted is worst-linf-adaptive-rawlogits@0.003+paper",
    ),
    "the epochs": (
        setting("training", "epochs", value=3),
        "training/model-000.json: settings.epochs is 2, wanted is 3",
    ),
    "the architecture": (
        setting("architecture", "blocks", value=[1, 2]),
        "training/model-000.json: architecture.blocks is [1, 1], wanted is [1, 2]",
    ),
}
"""What is done to the configuration, and what is said where nobody remembers it."""


def memory(workspace: Workspace) -> list[Path]:
    """The records of Snakemake."""
    folder = workspace.folder / ".snakemake" / "metadata"
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert found
    return found


def deleted(workspace: Workspace) -> None:
    for path in memory(workspace):
        path.unlink()


def halved(workspace: Workspace) -> None:
    for path in memory(workspace):
        os.truncate(path, path.stat().st_size // 2)


def touched(workspace: Workspace) -> None:
    workspace.run("--touch")


PAIRS = [
    ("a radius", deleted),
    ("the epochs", deleted),
    ("the architecture", halved),
    ("a radius", touched),
]


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A run that nobody disturbed; tests copy it."""
    workspace = made(tmp_path_factory.mktemp("metadata") / "before")
    workspace.run()
    return workspace


@pytest.fixture(scope="module")
def undisturbed(
    before: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], dict[str, bytes]]:
    """What a run makes of a changed configuration where Snakemake remembers everything."""
    known: dict[str, dict[str, bytes]] = {}
    folder = tmp_path_factory.mktemp("undisturbed")

    def run(change: str) -> dict[str, bytes]:
        if change not in known:
            workspace = before.copied(folder / str(len(known)))
            CHANGES[change][0](workspace)
            workspace.run()
            known[change] = workspace.bytes()
        return known[change]

    return run


def different(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """The files that only one has or that differ."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


@pytest.mark.parametrize(("change", "loss"), PAIRS)
def test_a_change_that_nobody_remembers_is_refused_with_the_command_that_mends_it(
    change: str,
    loss: Step,
    before: Workspace,
    undisturbed: Callable[[str], dict[str, bytes]],
    tmp_path: Path,
) -> None:
    wanted, (step, words) = undisturbed(change), CHANGES[change]
    assert different(wanted, before.bytes())
    workspace = before.copied(tmp_path / "copy")
    step(workspace)
    loss(workspace)
    said = workspace.run(fails=True)
    (line,) = {line.strip() for line in said.splitlines() if "wanted is" in line}
    assert words in line
    assert "Traceback" not in said
    assert jobs(workspace.run("-n"))["pool"] == 1  # it would be refused again
    command = line.partition("run again: ")[2]
    subprocess.run(command, shell=True, check=True, cwd=workspace.folder)
    workspace.run()
    assert different(workspace.bytes(), wanted) == []
    assert "Nothing to be done" in workspace.run()


def test_without_a_change_nothing_is_computed_anew(before: Workspace, tmp_path: Path) -> None:
    workspace = before.copied(tmp_path / "copy")
    deleted(workspace)
    assert "Nothing to be done" in workspace.run()
    assert different(workspace.bytes(), before.bytes()) == []
