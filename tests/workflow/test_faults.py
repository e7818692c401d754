"""Killing the workflow at any moment loses at most the jobs in flight."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from workspace import Workspace

pytestmark = pytest.mark.workflow


def killed(workspace: Workspace, seconds: float) -> None:
    """Run for a while, then kill the whole process group without warning."""
    run = subprocess.Popen(
        workspace.command(),
        cwd=workspace.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(seconds)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()


def test_a_killed_run_ends_in_the_same_bytes(finished: Workspace, tmp_path: Path):
    workspace = Workspace.made(tmp_path)
    for seconds in (9, 17):
        killed(workspace, seconds)
        workspace.run("--unlock")
    before = workspace.items()
    workspace.run()
    after = workspace.items()
    assert {path: after[path] for path in before} == before
    assert workspace.bytes() == finished.bytes()
    assert "Nothing to be done" in workspace.run()


def test_a_wrong_configuration_is_one_line(tmp_path: Path):
    workspace = Workspace.made(tmp_path)
    workspace.change("pools", "cifar10-vit", "sweeps", value=3)
    said = workspace.run("-n", fails=True)
    assert "pools.cifar10-vit.sweeps: there is no such key; did you mean 'sweep'?" in said
    assert "Traceback" not in said
