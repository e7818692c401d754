from __future__ import annotations

import csv
import fcntl
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from workspace import AUGREG, BERTS, ODD, RESNET, VIT, Workspace

from sharpness.checkpoints.table import choose, read_table


def once(
    factory: pytest.TempPathFactory, name: str, overlay: str, pools: Sequence[str]
) -> Workspace:
    """A run that one worker makes for all; the others wait for it. Tests copy it."""
    home = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        home = home.parent  # which all workers share
    folder, done = home / name, home / f"{name}.done"
    with open(home / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            workspace = Workspace.made(folder, overlay, pools)
            if BERTS in pools:
                odd_names(workspace)
            workspace.run()
            done.touch()
    return Workspace(folder)


def odd_names(workspace: Workspace) -> None:
    """Give the BERTs that are taken names that nobody would choose."""
    table = workspace.folder / "resources" / "pools" / f"{BERTS}.csv"
    chosen = {member.model for member in choose(read_table(table), len(ODD), seed=0)}
    with open(table, newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["model"] in chosen]
    with open(workspace.folder / "odd.csv", "w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(row | {"model": name} for row, name in zip(rows, ODD, strict=True))
    workspace.change("pools", BERTS, "checkpoints", value={"models": "odd.csv", "take": None})


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A run of the sweeps that nobody disturbed."""
    return once(tmp_path_factory, "finished", "tiny.yaml", (RESNET, VIT))


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A run of two published pools by their stand-ins."""
    return once(tmp_path_factory, "published", "published.yaml", (AUGREG, BERTS))


@pytest.fixture
def copied(finished: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the finished run."""
    return finished.copied(tmp_path / "copy")
