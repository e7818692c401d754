"""Clusters for the tests, and the run on this machine alone that they are compared with."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "workflow"), str(HERE.parent)]

from cluster import Cluster  # noqa: E402
from plugins import plugin  # noqa: E402
from runs import small  # noqa: E402
from workspace import Workspace  # noqa: E402


def need(*packages: str, program: str) -> None:
    """Install Debian's packages where the program is not there; skip where that cannot be."""
    if os.geteuid():
        pytest.skip("only root can start a cluster's daemons")
    if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin"):
        return
    if not shutil.which("apt-get"):
        pytest.skip(f"there is neither {program} nor apt-get to install it")
    with open(Path(tempfile.gettempdir(), "sharpness-tests-apt.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        install = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
        for command in (["apt-get", "update"], install):
            environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            done = subprocess.run(command, env=environment, capture_output=True, check=False)
            if done.returncode:
                pytest.skip(f"{' '.join(command)} failed: there is no Slurm to test with")


@contextmanager
def running(factory: pytest.TempPathFactory, accounting: bool) -> Iterator[Cluster]:
    need("slurm-wlm", "munge", program="slurmctld")
    if accounting:
        need("slurmdbd", "mariadb-server", program="slurmdbd")
    folder = plugin("slurm", factory)
    cluster = Cluster(factory.mktemp("cluster"), accounting)
    paths = filter(None, [str(folder), os.environ.get("PYTHONPATH")])
    cluster.environment["PYTHONPATH"] = ":".join(paths)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One without an accounting database."""
    with running(tmp_path_factory, accounting=False) as found:
        yield found


@pytest.fixture
def accounting_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One with an accounting database."""
    with running(tmp_path_factory, accounting=True) as found:
        yield found


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A run of the same workflow on this machine, without a cluster."""
    workspace = small(tmp_path_factory.mktemp("alone"))
    workspace.run()
    return workspace
