"""The two container recipes: both do the same steps, with files that are there and are let in.

No image is built here; the recipes are read as their builders read them.
"""

from __future__ import annotations

import re
import shlex
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DOCKER = (ROOT / "envs" / "Dockerfile").read_text()
APPTAINER = (ROOT / "envs" / "container.def").read_text()
FOLDER = "/opt/sharpness"


def instructions(name: str) -> list[str]:
    """What follows an instruction of the Dockerfile, with continued lines joined."""
    joined = DOCKER.replace("\\\n", " ")
    return re.findall(rf"^{name} +(.+)$", joined, re.M)


def section(name: str) -> list[str]:
    """The lines of a section of the Apptainer recipe."""
    body = APPTAINER.partition(f"\n%{name}\n")[2].partition("\n%")[0]
    return [line.strip() for line in body.splitlines() if line.strip()]


def copied() -> dict[str, str]:
    """What Docker copies, and whereto."""
    found = {}
    for line in instructions("COPY"):
        *sources, target = shlex.split(line)
        for source in sources:
            whole = target.endswith("/")
            place = Path(FOLDER, target, Path(source).name) if whole else Path(FOLDER, target)
            found[source] = str(place)
    return found


def let_in(path: str) -> bool:
    """Whether Docker's builder sees a file: the last pattern that matches decides."""
    lines = (ROOT / "envs" / "Dockerfile.dockerignore").read_text().splitlines()
    seen = True
    for pattern in (line.strip() for line in lines if line.strip() and not line.startswith("#")):
        name = pattern.removeprefix("!").replace("**/", "*")
        if fnmatch(path, name) or path.startswith(f"{name}/"):
            seen = pattern.startswith("!")
    return seen


def test_what_is_copied_is_there_and_let_in() -> None:
    assert copied()
    for source in copied():
        assert (ROOT / source).exists(), source
        assert let_in(source), f"{source} is left out by Dockerfile.dockerignore"
    assert let_in("src/sharpness/report/page.html.j2"), "the library's templates"
    assert not let_in(".venv/bin/python")
    assert not let_in("results/mini/report.html")
    assert not let_in("src/sharpness/__pycache__")


def test_both_recipes_do_the_same() -> None:
    assert re.search(r"^From: (.+)$", APPTAINER, re.M)[1] == instructions("FROM")[0]
    assert dict(line.split() for line in section("files")) == copied()
    enter, *steps = section("post")
    assert enter == f"cd {FOLDER}"
    assert FOLDER in instructions("WORKDIR")[0]
    assert steps == instructions("RUN")
    exports = [line.removeprefix("export ") for line in section("environment") if "export" in line]
    assert exports == shlex.split(instructions("ENV")[0])


def test_the_base_is_a_python_that_the_pins_are_for() -> None:
    environment = yaml.safe_load((ROOT / "envs" / "environment.yaml").read_text())
    python = environment["dependencies"][0].removeprefix("python=")
    assert f"python:{python}-" in instructions("FROM")[0]


@pytest.mark.parametrize("path", ["Dockerfile", "container.def"])
def test_every_file_that_a_step_reads_is_copied_before(path: str) -> None:
    text = (ROOT / "envs" / path).read_text()
    read = re.findall(r"-r (\S+)", text)
    assert read
    for name in read:
        assert name in copied()
        assert text.index(name) < text.index(f"-r {name}")
