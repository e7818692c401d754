from __future__ import annotations

from pathlib import Path

import pytest
from workspace import Workspace


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A run that nobody disturbed; tests copy it rather than change it."""
    workspace = Workspace.made(tmp_path_factory.mktemp("finished"))
    workspace.run()
    return workspace


@pytest.fixture
def copied(finished: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the finished run with its own results and metadata, all times as they were."""
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(finished.folder, folder, symlinks=True)
    return Workspace(folder)
