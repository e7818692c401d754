"""The house in order: pins with hashes, recipes made from them, a profile that Snakemake knows."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PINS = ROOT / "envs" / "requirements.txt"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def entries(text: str) -> Iterator[tuple[Requirement, list[str]]]:
    """Each requirement of a requirements file with its hashes."""
    for line in text.replace("\\\n", " ").splitlines():
        if line and not line.startswith("#"):
            requirement, *hashes = re.split(r"\s+--hash=", line.strip())
            yield Requirement(requirement), hashes


def pinned() -> dict[str, str]:
    """Name to version of the pins that apply to this machine and this Python."""
    return {
        canonicalize_name(requirement.name): str(requirement.specifier).removeprefix("==")
        for requirement, _ in entries(PINS.read_text())
        if requirement.marker is None or requirement.marker.evaluate()
    }


def wanted() -> list[Requirement]:
    """Every range that pyproject.toml states: to run, to develop, to build."""
    project = PYPROJECT["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    return [
        Requirement(line)
        for line in project["dependencies"] + extras + PYPROJECT["build-system"]["requires"]
    ]


def test_every_pin_is_exact_and_has_hashes() -> None:
    found = list(entries(PINS.read_text()))
    assert len(found) > 100
    for requirement, hashes in found:
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), requirement
        assert hashes, f"{requirement} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in hashes)


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.*")), ids=lambda path: path.name)
def test_no_file_names_a_registry(path: Path) -> None:
    if path.suffix == ".sif":
        pytest.skip("a built image")
    text = path.read_text()
    assert "://" not in text
    assert not re.search(r"--(extra-)?index-url|--find-links|^-[if] |\.(org|com|io)\b", text, re.M)


@pytest.mark.parametrize("requirement", wanted(), ids=str)
def test_pins_satisfy_the_ranges(requirement: Requirement) -> None:
    name = canonicalize_name(requirement.name)
    assert name in pinned(), f"{name} has no pin: run `make lock`"
    assert requirement.specifier.contains(pinned()[name]), f"{name}: run `make lock`"


def test_one_ordinary_wheel_serves_cpu_and_gpu() -> None:
    hashes = {requirement.name: hashes for requirement, hashes in entries(PINS.read_text())}
    assert len(hashes["torch"]) >= 8  # two processors, four versions of Python
    assert not any("+" in version for version in pinned().values()), "a CPU-only or CUDA-only wheel"


@pytest.mark.skipif(platform.system() != "Linux", reason="pins are installed by make on Linux")
def test_this_environment_is_the_pinned_one() -> None:
    installed = {name: version(name) for name in pinned()}
    assert installed == pinned(), "the environment has drifted from its pins: type `make`"


@pytest.mark.parametrize("recipe", ["Dockerfile", "container.def", "install.sh"])
def test_recipes_install_the_pins_and_then_the_project(recipe: str) -> None:
    text = (ROOT / "envs" / recipe).read_text()
    steps = re.findall(
        r"(--require-hashes -r envs/\S+|--no-deps --no-build-isolation (?:-e )?\.)", text
    )
    pins, project = steps
    assert pins == "--require-hashes -r envs/requirements.txt"
    assert project.startswith("--no-deps")


def test_conda_takes_python_from_conda_and_all_else_from_the_pins() -> None:
    environment = yaml.safe_load((ROOT / "envs" / "environment.yaml").read_text())
    python, pip, section = environment["dependencies"]
    assert pip == "pip"
    assert SpecifierSet(PYPROJECT["project"]["requires-python"]).contains(
        python.removeprefix("python=")
    )
    # conda hands these lines to pip as a requirements file beside environment.yaml.
    assert section == {"pip": ["--require-hashes", "-r requirements.txt"]}


def profile() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "profiles" / "default" / "profile.yaml").read_text())


def test_profile_keys_are_snakemake_options() -> None:
    from snakemake.cli import get_argument_parser

    options = {name for action in get_argument_parser()._actions for name in action.option_strings}
    assert options >= {f"--{key}" for key in profile()}
    assert not {"cores", "jobs"} & profile().keys(), "cores stay on the command line"
    assert "code" not in profile()["rerun-triggers"]


TOY = """
rule all:
    input: "b.txt", "c.txt"
rule bad:
    priority: 1
    output: "a.txt"
    log: "bad.log"
    shell: "echo reason $((6 * 7)) > {log}; echo once >> tries; exit 1"
rule needs_bad:
    input: "a.txt"
    output: "b.txt"
    shell: "touch {output}"
rule good:
    output: "c.txt"
    params: CHANGED
    shell: "echo SAID > {output}"
"""


@pytest.mark.workflow
def test_profile_does_what_it_says(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")

    def run(changed: str, said: str, *words: str) -> str:
        text = TOY.replace("CHANGED", changed).replace("SAID", said)
        (tmp_path / "Snakefile").write_text(text)
        command = [sys.executable, "-m", "snakemake", "--cores", "1", *words]
        done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True)
        return done.stdout + done.stderr

    output = run("1", "first")
    assert "reason 42" in output  # show-failed-logs
    assert (tmp_path / "tries").read_text() == "once\n"  # retries
    assert (tmp_path / "c.txt").read_text() == "first\n"  # keep-going
    assert "Nothing to be done" in run("1", "second", "c.txt")  # code is no trigger
    run("2", "second", "c.txt")
    assert (tmp_path / "c.txt").read_text() == "second\n"  # params are
