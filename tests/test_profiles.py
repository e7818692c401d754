"""Profiles: Snakemake understands every key, they agree where they must, and do what they say."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from plugins import EXECUTORS, plugin

ROOT = Path(__file__).parents[1]
PROFILES = sorted(path.name for path in (ROOT / "profiles").iterdir() if path.is_dir())
SHARED = [
    *("scheduler", "scheduler-subsample", "rerun-triggers", "rerun-incomplete"),
    *("keep-going", "show-failed-logs"),
]
ON_CLUSTERS = ["retries", "jobs", "latency-wait", "groups", "resources", "set-resource-scopes"]

Plugins = Callable[[str], Path]


def profile(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / "profiles" / name / "profile.yaml").read_text())


@pytest.fixture(scope="session")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Plugins:
    """The folder of an executor's plugin."""
    return lambda executor: plugin(executor, tmp_path_factory)


def snakemake(
    folder: Path, *words: str, plugin: Path | str = ""
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in a folder, perhaps with a plugin."""
    paths = filter(None, [str(plugin), os.environ.get("PYTHONPATH")])
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": ":".join(paths)},
        text=True,
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_agree(name: str) -> None:
    default, this = profile("default"), profile(name)
    assert {key: this[key] for key in SHARED} == {key: default[key] for key in SHARED}
    for key in ("default-resources", "set-resource-scopes"):
        assert default[key].items() <= this[key].items()
    assert set(default["resources"]) <= set(this["resources"])
    assert "code" not in this["rerun-triggers"]
    assert this["retries"] >= 1
    if name != "default":
        slurm = profile("slurm")
        assert {key: this[key] for key in ON_CLUSTERS} == {key: slurm[key] for key in ON_CLUSTERS}
        assert this["latency-wait"] >= 60


ONE_RULE = """
rule all:
    output: "a.txt"
    resources: mem_mb=100, runtime=1, gpu=1
    shell: "touch {output}"
"""


@pytest.mark.workflow
@pytest.mark.parametrize("name", PROFILES)
def test_snakemake_understands_every_key(name: str, tmp_path: Path, plugins: Plugins) -> None:
    executor = profile(name).get("executor")
    folder = plugins(executor) if executor else ""
    (tmp_path / "Snakefile").write_text(ONE_RULE)
    words = ["--workflow-profile", str(ROOT / "profiles" / name), "--dry-run"]
    done = snakemake(tmp_path, *words, plugin=folder)
    assert done.returncode == 0, done.stderr


@pytest.mark.workflow
@pytest.mark.parametrize("executor", EXECUTORS)
def test_plugins_fit_the_pins(executor: str, plugins: Plugins) -> None:
    """What they need is among the pins, in a version that they allow."""
    folder = plugins(executor)
    found = {canonicalize_name(found.name): found for found in distributions()}
    new = list(distributions(path=[str(folder)]))
    found |= {canonicalize_name(package.name): package for package in new}
    for package in new:
        for needed in map(Requirement, package.requires or []):
            version = found[canonicalize_name(needed.name)].version
            assert needed.specifier.contains(version), f"{package.name} needs {needed}"


TOY = """
rule all:
    input: "b.txt", "c.txt"
rule bad:
    priority: 1
    output: "a.txt"
    log: "bad.log"
    resources: attempt=lambda wildcards, attempt: attempt
    shell: "echo reason $((6 * 7)) > {log}; echo {resources.attempt} >> tries; exit 1"
rule needs_bad:
    input: "a.txt"
    output: "b.txt"
    shell: "touch {output}"
rule good:
    output: "c.txt"
    params: CHANGED
    shell: "echo SAID > {output}"
"""


def in_a_folder(folder: Path, text: str) -> Path:
    """A workflow with the project's profiles beside it."""
    if not (folder / "profiles").exists():
        shutil.copytree(ROOT / "profiles", folder / "profiles")
    (folder / "Snakefile").write_text(text)
    return folder


@pytest.mark.workflow
def test_the_default_profile_does_what_it_says(tmp_path: Path) -> None:
    def run(changed: str, said: str, *words: str) -> str:
        in_a_folder(tmp_path, TOY.replace("CHANGED", changed).replace("SAID", said))
        done = snakemake(tmp_path, *words)
        return done.stdout + done.stderr

    output = run("1", "first")
    assert "Provided cores" in output  # cores
    assert "reason 42" in output  # show-failed-logs
    assert (tmp_path / "tries").read_text() == "1\n2\n"  # retries
    assert (tmp_path / "c.txt").read_text() == "first\n"  # keep-going
    assert "Nothing to be done" in run("1", "second", "c.txt")  # code is no trigger
    assert "Provided cores: 3\n" in run("2", "second", "c.txt", "--cores", "3")
    assert (tmp_path / "c.txt").read_text() == "second\n"  # params are


@pytest.mark.workflow
def test_one_job_at_a_time_has_the_card(tmp_path: Path) -> None:
    text = """
rule all:
    input: expand("{n}.txt", n=range(4))
rule card:
    output: "{n}.txt"
    resources: gpu=1
    shell: "mkdir card && sleep 0.3 && rmdir card && touch {output}"
"""
    words = ["--cores", "4", "--retries", "0"]
    alone = snakemake(in_a_folder(tmp_path, text), *words)
    assert alone.returncode == 0, alone.stderr
