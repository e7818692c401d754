"""The workflow through profiles/generic, on stand-ins for the scheduler's commands.

The stand-ins answer as sbatch, scontrol and scancel do, and run each job as a process of this
machine: the profile and its scripts are run for real, the scheduler is not.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import fake_engines
import pytest
from plugins import plugin
from workspace import RESNET, ROOT, Workspace

pytestmark = pytest.mark.workflow
SETTINGS = {
    "SHARPNESS_CPU_PARTITION": "short; touch broken",
    "SHARPNESS_GPU_PARTITION": "gpu partition",
    "SHARPNESS_SUBMIT_OPTIONS": "--account=lab --qos=low",
}


@pytest.fixture(scope="session")
def generic(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What PYTHONPATH must name for the plugin."""
    return str(plugin("cluster-generic", tmp_path_factory))


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """The folder of the stand-ins."""
    return fake_engines.install(tmp_path / "engine")


def environment(engine: Path, generic: str) -> dict[str, str]:
    path = f"{engine}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    paths = ":".join(filter(None, [os.environ.get("PYTHONPATH"), generic]))
    return {**os.environ, **SETTINGS, "PATH": path, "PYTHONPATH": paths}


def command(*words: str, pause: int = 1) -> list[str]:
    """Snakemake that asks the engine for its jobs every so many seconds."""
    options = ["--workflow-profile", "profiles/generic"]
    asking = ["--seconds-between-status-checks", str(pause)]
    return [sys.executable, "-m", "snakemake", *words, *options, *asking]


def on_slurm(options: list[str]) -> dict[str, Any]:
    """What the options of sbatch ask for."""
    said = dict(option[2:].partition("=")[::2] for option in options)
    assert said["account"] == "lab"
    assert said["qos"] == "low"
    gpus = said.get("gres", "gpu:0").removeprefix("gpu:")
    assert (
        said["partition"]
        == SETTINGS["SHARPNESS_CPU_PARTITION" if gpus == "0" else "SHARPNESS_GPU_PARTITION"]
    )
    memory = int(said["mem"].removesuffix("M"))
    return {"name": said["job-name"], "memory": memory, "minutes": int(said["time"]), "gpus": gpus}


@pytest.mark.slow
def test_an_engine_gives_what_this_machine_gives(
    finished: Workspace, engine: Path, generic: str, tmp_path: Path
) -> None:
    folder = tmp_path / "a 'quoted' folder"
    folder.mkdir()
    workspace = Workspace.made(folder, pools=(RESNET,))
    workspace.change("gpus", value=1)
    (engine / "queue" / "kill" / "evaluate").touch()
    words = command(RESNET, "--jobs", "2", "--configfile", "tiny.yaml")
    variables = environment(engine, generic)
    done = subprocess.run(words, cwd=folder, env=variables, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr

    def of_the_pool(found: dict[str, bytes]) -> dict[str, bytes]:
        return {name: data for name, data in found.items() if name.startswith(RESNET)}

    assert of_the_pool(workspace.bytes()) == of_the_pool(finished.bytes())
    assert len(of_the_pool(workspace.bytes())) > 15

    jobs = [on_slurm(job) for job in fake_engines.asked(engine)]
    for job in jobs:
        assert job["gpus"] == str(int(job["name"].startswith(("train", "evaluate")))), job
    memory, minutes = (
        sorted(job[limit] for job in jobs if job["name"].startswith("evaluate"))
        for limit in ("memory", "minutes")
    )
    assert len(memory) == 3, "two jobs, one of them killed once"
    assert memory[2] > memory[1] == memory[0]
    assert minutes[2] > minutes[1]
    assert not (folder / "broken").exists()


LONG = """
rule long:
    output: "a.txt"
    resources: mem_mb=100, runtime=1, gpu=0
    shell: "sleep 600"
"""


def test_jobs_are_cancelled_when_snakemake_is(engine: Path, generic: str, tmp_path: Path) -> None:
    (tmp_path / "profiles").symlink_to(ROOT / "profiles")
    (tmp_path / "Snakefile").write_text(LONG)
    # The plugin forgets the jobs that it is asking for: cancel between two questions.
    words = command("--latency-wait", "1", pause=10)
    words = ["env", "--default-signal=INT", *words]  # it is ignored by what a shell runs beside it
    variables = environment(engine, generic)
    with subprocess.Popen(words, cwd=tmp_path, env=variables, stderr=subprocess.PIPE) as run:
        job = engine / "queue" / "1"
        for _ in range(600):
            if (job / "process").exists() or run.poll() is not None:
                break
            time.sleep(0.1)
        time.sleep(2)
        run.send_signal(signal.SIGINT)
        try:
            _, said = run.communicate(timeout=60)
        finally:
            run.kill()
    assert (job / "code").read_text() == "143", said.decode()


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ("echo JobId=7 JobState=COMPLETING Reason=None", "running"),
        ("echo JobId=7 JobState=COMPLETED Reason=None", "success"),
        ("echo JobId=7 JobState=OUT_OF_MEMORY", "failed"),
        ("echo 'Invalid job id specified' >&2; exit 1", "failed"),
        ("echo 'Unable to contact controller' >&2; exit 1", "running"),
    ],
)
def test_status_in_one_word(answer: str, word: str, tmp_path: Path) -> None:
    (tmp_path / "scontrol").write_text(f"#!/bin/sh\n{answer}\n")
    (tmp_path / "scontrol").chmod(0o755)
    variables = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    script = ROOT / "profiles" / "generic" / "status.sh"
    done = subprocess.run([script, "7"], env=variables, text=True, capture_output=True, check=True)
    assert done.stdout == f"{word}\n"
