"""Snakemake's executor plugins, from the environment or installed from their pins into a folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ENVS = Path(__file__).parents[1] / "envs"
EXECUTORS = ["slurm", "cluster-generic"]


def plugin(executor: str, factory: pytest.TempPathFactory) -> Path:
    """The folder that PYTHONPATH must name for an executor; empty where it is installed already."""
    target = factory.getbasetemp() / executor
    known = target.exists() or find_spec(f"snakemake_executor_plugin_{executor.replace('-', '_')}")
    if not known:
        install(ENVS / f"{executor.removeprefix('cluster-')}.txt", target)
    return target


def install(pins: Path, target: Path) -> None:
    """As `make slurm` does, but into a folder; skip where no package can be had."""
    if find_spec("pip"):
        tool = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install"]
    elif shutil.which("uv"):
        tool = ["uv", "pip", "install", "--python", sys.executable]
    else:
        pytest.skip("neither pip nor uv is here to install the plugin")
    options = ["--no-deps", "--require-hashes", "--target", str(target), "-r", str(pins)]
    done = subprocess.run([*tool, *options], text=True, capture_output=True, check=False)
    if done.returncode:
        assert "hash" not in done.stderr.lower(), done.stderr
        pytest.skip(f"the plugin cannot be installed: {done.stderr.strip().splitlines()[-1]}")
