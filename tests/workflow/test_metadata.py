"""What Snakemake remembers is lost, damaged or overruled, and no stale file passes for a fresh one.

Each change of the configuration meets each loss; a plain run must then make what a fresh run makes.
"""

from __future__ import annotations

import os
import shutil
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
    figures = [figure for figure in catalogue(workspace) if figure["id"] in FIGURES]
    catalogue_of(workspace).write_text(yaml.safe_dump(figures, sort_keys=False))
    return workspace


def catalogue_of(workspace: Workspace) -> Path:
    return workspace.folder / "resources" / "figures.yaml"


def catalogue(workspace: Workspace) -> list[dict[str, Any]]:
    figures: list[dict[str, Any]] = yaml.safe_load(catalogue_of(workspace).read_text())
    return figures


def setting(*path: str, value: Any) -> Step:
    return lambda workspace: workspace.change(*path, value=value)


def title(workspace: Workspace) -> None:
    """One figure is called otherwise."""
    figures = catalogue(workspace)
    figures[0]["title"] = "Quite another title"
    catalogue_of(workspace).write_text(yaml.safe_dump(figures, sort_keys=False))


RADIUS = ("pools", RESNET, "sharpness", "radii", "worst-linf-adaptive-rawlogits")
CHANGES: dict[str, Step] = {
    "a radius": setting(*RADIUS, value=[0.003]),
    "the resamples": setting("resamples", value=7),
    "a figure's entry": title,
    "the epochs": setting("pools", RESNET, "training", "epochs", value=3),
    "the models": setting("pools", RESNET, "sweep", "models", value=5),
    "a data part": setting("pools", RESNET, "data", value={"corrupted": "digits"}),
}


def memory(workspace: Workspace) -> list[Path]:
    """The records of Snakemake."""
    folder = workspace.folder / ".snakemake" / "metadata"
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert found
    return found


def deleted(workspace: Workspace) -> None:
    memory(workspace)
    shutil.rmtree(workspace.folder / ".snakemake" / "metadata")


def halved(workspace: Workspace) -> None:
    for path in memory(workspace):
        os.truncate(path, path.stat().st_size // 2)


def emptied(workspace: Workspace) -> None:
    for path in memory(workspace):
        os.truncate(path, 0)


def touched(workspace: Workspace) -> None:
    workspace.run("--touch")


LOSSES: dict[str, Step] = {
    "deleted": deleted,
    "halved": halved,
    "emptied": emptied,
    "touched": touched,
}


PAIRS = [
    *(("a radius", loss) for loss in LOSSES),
    ("the resamples", "touched"),
    ("a figure's entry", "halved"),
    ("the epochs", "touched"),
    ("the models", "deleted"),
    ("a data part", "emptied"),
]
"""Every change and every loss; a change costs a whole run beside it."""


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A run that nobody disturbed; tests copy it."""
    workspace = made(tmp_path_factory.mktemp("metadata") / "before")
    workspace.run()
    return workspace


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, bytes]]:
    """What a fresh run makes of a changed configuration."""
    known: dict[str, dict[str, bytes]] = {}
    folder = tmp_path_factory.mktemp("fresh")

    def run(change: str) -> dict[str, bytes]:
        if change not in known:
            workspace = made(folder / str(len(known)))
            CHANGES[change](workspace)
            workspace.run()
            known[change] = workspace.bytes()
        return known[change]

    return run


def different(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """The files that only one has or that differ; what was set aside is no file of a run."""
    names = {name for name in one.keys() | other.keys() if not name.startswith("outdated/")}
    return sorted(name for name in names if one.get(name) != other.get(name))


@pytest.mark.parametrize(("change", "loss"), PAIRS)
def test_a_change_is_seen_without_snakemakes_memory(
    change: str,
    loss: str,
    before: Workspace,
    fresh: Callable[[str], dict[str, bytes]],
    tmp_path: Path,
) -> None:
    wanted = fresh(change)
    assert different(wanted, before.bytes())
    workspace = before.copied(tmp_path / "copy")
    CHANGES[change](workspace)
    LOSSES[loss](workspace)
    workspace.run()
    assert different(workspace.bytes(), wanted) == []
    assert "Nothing to be done" in workspace.run()


@pytest.mark.parametrize("loss", LOSSES)
def test_without_a_change_nothing_is_computed_anew(
    loss: str, before: Workspace, tmp_path: Path
) -> None:
    workspace = before.copied(tmp_path / "copy")
    LOSSES[loss](workspace)
    assert not {"train", "evaluate"} & jobs(workspace.run()).keys()
    assert workspace.items() == before_items(before, workspace)
    assert different(workspace.bytes(), before.bytes()) == []
    assert "Nothing to be done" in workspace.run()


def before_items(before: Workspace, workspace: Workspace) -> dict[Path, int]:
    """The items of the run before, where they lie in its copy."""
    return {
        workspace.folder / path.relative_to(before.folder): time
        for path, time in before.items().items()
    }
