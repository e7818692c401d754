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


def killed(workspace: Workspace, pattern: str) -> None:
    """Run until a file of the results matches, then kill the process group without warning."""
    run = subprocess.Popen(
        workspace.command(),
        cwd=workspace.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while run.poll() is None and not any(workspace.results.glob(pattern)):
        time.sleep(0.02)
    assert run.poll() is None, "it ended before it could be killed"
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()


def test_a_killed_run_ends_in_the_same_bytes(finished: Workspace, tmp_path: Path):
    workspace = Workspace.made(tmp_path)
    for moment in ("*/state/*/*.safetensors", "*/state/*/cell-*.json"):  # training, evaluation
        killed(workspace, moment)
        workspace.run("--unlock")
    before = workspace.items()
    assert before
    workspace.run()
    after = workspace.items()
    assert {path: after[path] for path in before} == before
    assert workspace.bytes() == finished.bytes()
    assert "Nothing to be done" in workspace.run()
