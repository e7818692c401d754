"""The house in order: pins with hashes, and an environment made from them."""

from __future__ import annotations

import platform
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PINS = ROOT / "envs" / "requirements.txt"
EXTRAS = [ROOT / "envs" / f"{extra}.txt" for extra in ("slurm", "generic", "tensorflow")]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def entries(text: str) -> Iterator[tuple[Requirement, list[str]]]:
    """Each requirement of a requirements file with its hashes."""
    for line in text.replace("\\\n", " ").splitlines():
        if line and not line.startswith("#"):
            requirement, *hashes = re.split(r"\s+--hash=", line.strip())
            yield Requirement(requirement), hashes


def pinned(*files: Path) -> dict[str, str]:
    """Name to version of the pins that apply to this machine and this Python."""
    return {
        canonicalize_name(requirement.name): str(requirement.specifier).removeprefix("==")
        for file in files or [PINS]
        for requirement, _ in entries(file.read_text())
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
    assert len(pinned()) > 100
    found = [entry for file in (PINS, *EXTRAS) for entry in entries(file.read_text())]
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
    name, pins = canonicalize_name(requirement.name), pinned(PINS, *EXTRAS)
    assert name in pins, f"{name} has no pin: run `make lock`"
    assert requirement.specifier.contains(pins[name]), f"{name}: run `make lock`"


def test_extras_are_no_part_of_the_base() -> None:
    assert pinned(*EXTRAS).keys().isdisjoint(pinned())
    assert not [line for line in PYPROJECT["project"]["dependencies"] if "executor" in line]


def test_one_ordinary_wheel_serves_cpu_and_gpu() -> None:
    hashes = {requirement.name: hashes for requirement, hashes in entries(PINS.read_text())}
    assert len(hashes["torch"]) >= 8  # two processors, four versions of Python
    assert not any("+" in version for version in pinned().values()), "a CPU-only or CUDA-only wheel"


@pytest.mark.skipif(platform.system() != "Linux", reason="pins are installed by make on Linux")
def test_this_environment_is_the_pinned_one() -> None:
    installed = {name: version(name) for name in pinned()}
    assert installed == pinned(), "the environment has drifted from its pins: type `make`"
