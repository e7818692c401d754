"""Full and read-only disks, files that vanish, a clock that goes back, two runs in one folder.

Each ends in a line that says what is wrong and with an exit code, keeps what is finished, and
works once the cause is gone. The disks are small ones in memory, mounted where nobody else sees it.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from workspace import VIT, Workspace

pytestmark = pytest.mark.workflow

KEPT = "make room and run again; what is finished is kept"
UNSHARE = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]


@pytest.fixture
def lacking(copied: Workspace) -> Workspace:
    """A copy of the finished run that lacks pool.csv of one pool and what is made from it."""
    for name in (f"{VIT}/pool.csv", f"{VIT}/correlations.csv", "report.html"):
        (copied.results / name).unlink()
    return copied


@pytest.fixture(scope="session")
def mounts(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip where no private mounts can be made."""
    folder = tmp_path_factory.mktemp("mount")
    try:
        mounted(folder, "mount -t tmpfs -o size=64k none .")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a disk of our own cannot be mounted here ({error})")


def mounted(folder: Path, script: str) -> str:
    """What a shell script prints whose mounts nobody else sees."""
    command = [*UNSHARE, "bash", "-euc", script]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def attempt(workspace: Workspace, name: str, *targets: str) -> str:
    """A line of shell: run the workflow, keep what it prints and its exit code."""
    command = " ".join(workspace.command(*targets))
    return f"code=0; {command} > {name}.said 2>&1 || code=$?; echo $code > {name}.code"


def refused(workspace: Workspace, name: str) -> str:
    """What a run printed that was to fail, without a traceback."""
    said = (workspace.folder / f"{name}.said").read_text()
    assert (workspace.folder / f"{name}.code").read_text() == "1\n", said
    for word in ("Traceback", "this is a defect", "Logging error"):
        assert word not in said, said
    return said


def succeeded(workspace: Workspace, name: str) -> None:
    said = (workspace.folder / f"{name}.said").read_text()
    assert (workspace.folder / f"{name}.code").read_text() == "0\n", said


@pytest.mark.usefixtures("mounts")
def test_a_full_disk_keeps_what_is_finished_and_ends_in_the_same_bytes(
    finished: Workspace, tmp_path: Path
) -> None:
    """Full in the middle of training, then of evaluation, then of figures; then there is room."""
    workspace = Workspace.made(tmp_path, pools=(VIT,))
    shown = [f"results/tiny/{VIT}/correlations.csv", "results/tiny/tables/table4.csv"]
    little = "$(($(df --output=used results | tail -n 1) + 60))k"
    steps = ["mkdir results; mount -t tmpfs none results"]
    for name, size, targets in [
        ("training", "64k", []),
        ("evaluation", "300k", []),
        ("tables", "100m", shown),
        ("figures", little, []),
        ("end", "100m", []),
    ]:
        steps += [f"mount -o remount,size={size} results", attempt(workspace, name, *targets)]
        steps += [f"cp -a results after-{name}"]
    mounted(tmp_path, "\n".join([*steps, "umount results; mv after-end/* results"]))
    said = {name: refused(workspace, name) for name in ("training", "evaluation", "figures")}
    assert (
        f"state/model-000/{state(workspace)}: no space left on the device; {KEPT}"
        in said["training"]
    )
    assert "rule evaluate:" in said["evaluation"]
    assert ".json: no space left on the device; " in said["evaluation"]
    assert re.search(r"figures/fig\d+\.(pdf|png): no space left on the device; ", said["figures"])
    succeeded(workspace, "tables")
    succeeded(workspace, "end")
    alone = (f"{VIT}/", "figures/fig32", "figures/fig39")  # all else shows the other pool too
    whole = {name: made for name, made in finished.bytes().items() if name.startswith(alone)}
    del whole[f"{VIT}/subgroups.csv"]  # of figures that show both pools
    assert {name: made for name, made in workspace.bytes().items() if name in whole} == whole
    last = items(tmp_path / "results")
    middle = items(tmp_path / "after-evaluation")
    every = [*finished.items(), *finished.items("error")]
    assert 0 < len(middle) < len(last) == sum(VIT in path.parts for path in every)
    assert {path: last[path] for path in middle} == middle
    assert not list((tmp_path / "results").rglob(".*"))  # no half of a file is left


def state(workspace: Workspace) -> str:
    """The name of the training state of the first model."""
    (path,) = (workspace.results / VIT / "state" / "model-000").glob("*.safetensors")
    return path.name


def items(folder: Path) -> dict[str, int]:
    """Every finished item below a folder of results, with the moment when it was computed."""
    return {
        f"{path.parent.name}/{path.name}": path.stat().st_mtime_ns
        for path in folder.glob("*/*/state/*/*.json")
    }


READ_ONLY = ["results", "results/tiny/logs", f"results/tiny/{VIT}", ".snakemake"]


@pytest.mark.usefixtures("mounts")
@pytest.mark.parametrize(
    "folder", [READ_ONLY[0], *(pytest.param(one, marks=pytest.mark.slow) for one in READ_ONLY[1:])]
)
def test_a_read_only_folder_is_named_before_anything_runs(lacking: Workspace, folder: str) -> None:
    before = lacking.bytes()
    read_only(lacking, folder)
    said = refused(lacking, "run")
    assert re.search(rf"^{folder}\S*: may not be written to, or its file system is", said, re.M)
    assert "Building DAG" not in said
    assert lacking.bytes() == before


def read_only(workspace: Workspace, folder: str) -> None:
    """Run while a folder is mounted so that nothing can be written to it."""
    bind = f"mount --bind {folder} {folder}; mount -o remount,bind,ro {folder}"
    mounted(workspace.folder, f"{bind}\n{attempt(workspace, 'run')}")


@pytest.mark.slow
@pytest.mark.usefixtures("mounts")
def test_a_deeper_read_only_folder_fails_its_own_jobs_alone(
    lacking: Workspace, finished: Workspace
) -> None:
    folder = f"results/tiny/logs/{VIT}"
    (lacking.results / "figures" / "fig32.pdf").unlink()
    (lacking.results / "tables" / "table4.csv").unlink()
    read_only(lacking, folder)
    assert (lacking.folder / "run.code").read_text() == "1\n"
    assert "Read-only file system" in (lacking.folder / "run.said").read_text()
    lacking.run()
    assert lacking.bytes() == finished.bytes()


def started(workspace: Workspace) -> subprocess.Popen[str]:
    """A run that goes on while the test does something to it."""
    return subprocess.Popen(
        workspace.command(),
        cwd=workspace.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait(until: Callable[[], bool], run: subprocess.Popen[str]) -> None:
    """Wait until something has happened that the run must bring about."""
    while not until():
        assert run.poll() is None, run.communicate()[0]
        time.sleep(0.01)


@pytest.mark.slow
def test_a_checkpoint_that_vanishes_under_an_evaluation_is_named(
    lacking: Workspace, finished: Workspace
) -> None:
    """It is looked for while the first model is evaluated; the others' cells are not lost."""
    path = lacking.results / VIT / "checkpoints" / "model-003.safetensors"
    for item in lacking.results.glob(f"{VIT}/state/model-000/*.json"):
        item.unlink()
    for made in ("evaluated/model-000.json", "errors/model-003.csv", "sharpness/model-003.csv"):
        (lacking.results / VIT / made).unlink()
    before = lacking.items()
    run = started(lacking)
    log = lacking.results / "logs" / VIT / "evaluate" / "model-000.log"
    log.unlink()
    wait(log.exists, run)
    path.unlink()
    said, _ = run.communicate()
    assert run.returncode == 1, said
    assert "checkpoints/model-003.safetensors" in said
    assert "Traceback" not in said
    after = lacking.items()
    assert {item: after[item] for item in before} == before
    assert len(after) > len(before)
    lacking.run()
    assert lacking.bytes() == finished.bytes()
    last = lacking.items()
    assert {item: last[item] for item in after} == after


@pytest.mark.slow
def test_a_clock_that_goes_back_is_said_and_undone_by_a_touch(
    lacking: Workspace, finished: Workspace
) -> None:
    """All that was made is of tomorrow; what is made today would be older than its inputs."""
    tomorrow = time.time() + 86400
    files = [path for path in lacking.folder.glob("results/**/*") if path.is_file()]
    for path in files:
        os.utime(path, (tomorrow, tomorrow))
    said = lacking.run(fails=True)
    assert "has older modification time" in said
    assert "clock skew" in said
    assert "Traceback" not in said
    subprocess.run(
        ["find", "results", "-newermt", "now", "-exec", "touch", "{}", "+"],
        cwd=lacking.folder,
        check=True,
    )
    before = lacking.items()
    lacking.run()
    assert lacking.items() == before
    assert lacking.bytes() == finished.bytes()
    assert "Nothing to be done" in lacking.run()


@pytest.mark.slow
def test_the_second_of_two_runs_in_one_folder_is_refused(
    lacking: Workspace, finished: Workspace
) -> None:
    locks = lacking.folder / ".snakemake" / "locks"
    first = started(lacking)
    wait(lambda: any(locks.glob("*")), first)
    said = lacking.run(fails=True)
    assert "Directory cannot be locked" in said
    assert "Traceback" not in said
    out, _ = first.communicate()
    assert first.returncode == 0, out
    assert lacking.bytes() == finished.bytes()
