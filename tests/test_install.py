"""How make fills .venv: whole or not at all, and no more of it than a change asks for."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from toy_project import make, needs_linux, running, toy_project

pytestmark = needs_linux

# A Python that answers the version check, makes a toy environment of itself, and keeps a record.
PYTHON = """#!/bin/bash
case "$*" in
    -c*) exit $OLD ;;
    --version) echo "Python 3.9.1" ;;
    "-m venv "*) mkdir -p .venv/bin; cp "$0" .venv/bin/python; ln -s python .venv/bin/pip
        touch .venv/bin/activate ;;
    *) echo "$*" >> record; [[ ! -e broken ]] ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project without an environment."""
    return toy_project(tmp_path)


@pytest.fixture
def python(project: Path) -> Path:
    """Stand in for Python and pip; each call of pip is a line in the file `record`."""
    program = project / "python"
    program.write_text(PYTHON.replace("$OLD", f'"$(cat "{project}/old" 2>/dev/null || echo 0)"'))
    program.chmod(0o755)
    return program


@pytest.fixture(autouse=True)
def no_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide an installed uv: the toy Python is no Python that it could use."""
    folders = os.environ["PATH"].split(":")
    kept = [folder for folder in folders if not Path(folder, "uv").exists()]
    monkeypatch.setenv("PATH", ":".join(kept))


def install(project: Path) -> subprocess.CompletedProcess[str]:
    """Make the environment with the toy Python."""
    return make(project, ".venv/.installed", "PYTHON=./python")


def record(project: Path) -> list[str]:
    """The steps of the installation since the last question."""
    lines = (project / "record").read_text().splitlines()
    (project / "record").unlink()
    return ["pins" if "--require-hashes" in line else "project" for line in lines]


def test_an_interrupted_installation_is_mended(project: Path, python: Path) -> None:
    (project / "broken").touch()
    assert install(project).returncode != 0
    assert not (project / ".venv" / ".installed").exists()
    assert record(project) == ["pins"]

    (project / ".venv" / "half").touch()
    (project / "broken").unlink()
    assert install(project).returncode == 0
    assert not (project / ".venv" / "half").exists(), "what was half made must go"
    assert record(project) == ["pins", "project"]

    assert install(project).returncode == 0
    assert not (project / "record").exists(), "nothing had changed"


@pytest.mark.parametrize(
    ("changed", "steps"),
    [("envs/requirements.txt", ["pins", "project"]), ("pyproject.toml", ["project"])],
)
def test_a_change_reinstalls_what_it_must(
    project: Path, python: Path, changed: str, steps: list[str]
) -> None:
    install(project)
    record(project)
    time.sleep(0.05)  # a newer time stamp
    with open(project / changed, "a") as stream:
        stream.write("# changed\n")
    assert install(project).returncode == 0
    assert record(project) == steps


def test_uv_is_used_where_it_is(
    project: Path, python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uv = tmp_path / "uv"
    uv.write_text('#!/bin/sh\nmkdir -p .venv\necho "$@" >> record\n')
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert install(project).returncode == 0
    lines = (project / "record").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["venv", "pip", "pip"]
    assert "--require-hashes" in lines[1]
    assert "--no-deps" in lines[2]


def test_an_installation_waits_for_a_running_make(project: Path, python: Path) -> None:
    stamp = project / ".venv" / ".installed"
    with open(project / ".make.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with running(project, "make", ".venv/.installed", "PYTHON=./python") as second:
            with pytest.raises(subprocess.TimeoutExpired):
                second.wait(timeout=1)
            assert not stamp.exists()
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert second.wait(timeout=60) == 0
    assert stamp.exists()


def test_a_copied_folder_gets_its_own_environment(project: Path, python: Path) -> None:
    install(project)
    record(project)
    copy = project.parent / "copy"
    shutil.copytree(project, copy, symlinks=True)
    assert install(copy).returncode == 0
    assert record(copy) == ["pins", "project"]


def test_the_folders_own_environment_may_be_active(project: Path, python: Path) -> None:
    install(project)
    programs = project / ".venv" / "bin"
    (programs / "python").unlink()
    for name in ("python", "python3"):
        (programs / name).symlink_to(python)  # as venv links the Python behind it
    pins = project / "envs" / "requirements.txt"
    pins.write_text(pins.read_text() + "# newer\n")
    made = make(project, ".venv/.installed", PATH=f"{programs}:{os.environ['PATH']}")
    assert made.returncode == 0, made.stderr
    assert (project / ".venv" / ".installed").exists()


def test_an_old_python_is_refused_in_one_line(project: Path, python: Path) -> None:
    (project / "old").write_text("1")
    refused = install(project)
    assert "make: Python 3.9.1 is too old. Install Python 3.11 or newer" in refused.stderr
    assert not (project / ".venv").exists()


def test_a_missing_python_is_named(project: Path) -> None:
    assert "make: ./python is not there. Install Python 3.11" in install(project).stderr


def test_a_path_with_a_space_is_refused_before_anything_is_installed(
    project: Path, python: Path
) -> None:
    moved = project.rename(project.parent / "my project")
    done = install(moved)
    assert done.returncode == 2
    assert "my project: Snakemake cannot run jobs in a path with this space or sign" in done.stderr
    assert not (moved / "record").exists()
    assert not (moved / ".venv").exists()
