"""Toy projects with the real Makefile, for test_make and test_install."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ("make", "flock", "bash", "sha256sum")
needs_linux = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux: flock and /proc"),
    pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)}"),
]


def toy_project(parent: Path) -> Path:
    """A new project with this Makefile and no environment yet."""
    folder = parent / "project"
    folder.mkdir()
    shutil.copytree(ROOT / "envs", folder / "envs", ignore=shutil.ignore_patterns("*.sif"))
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    return folder


def environment(**changes: str) -> dict[str, str]:
    """This process's environment without what an outer make tells an inner one."""
    outer = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES", "PYTHON", "CORES"}
    return {key: value for key, value in os.environ.items() if key not in outer} | changes


def make(folder: Path, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run make and wait for it."""
    command = ["make", *words]
    return subprocess.run(
        command, cwd=folder, env=environment(**changes), text=True, capture_output=True, timeout=60
    )


@contextlib.contextmanager
def running(folder: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command in its own process group; whatever is left of it is killed at the end."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill -9 to the whole group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
