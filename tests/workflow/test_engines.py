"""Snakemake through profiles/generic, on stand-ins for sbatch, scontrol and scancel.

Each job is a process of this machine: the profile and its scripts are run for real, the scheduler
is not. The whole workflow on a real one: tests/cluster.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from plugins import plugin
from workspace import ROOT

pytestmark = pytest.mark.workflow

SETTINGS = {
    "SHARPNESS_CPU_PARTITION": "short; touch broken",
    "SHARPNESS_GPU_PARTITION": "gpu partition",
    "SHARPNESS_SUBMIT_OPTIONS": "--account=lab --qos=low",
}
PROGRAMS = {
    "sbatch": """
        number=1
        while ! mkdir "$queue/$number" 2>/dev/null; do number=$((number + 1)); done
        job=$queue/$number
        printf '%s\\n' "$@" >"$job/asked"
        setsid sh -c 'sh "$1"; echo $? >"$2/code"' job "${@: -1}" "$job" \\
            </dev/null >"$job/output" 2>&1 &
        echo $! >"$job/process"
        echo "$number"
    """,
    "scontrol": """
        case $(cat "$queue/${@: -1}/code" 2>/dev/null) in
            "") echo JobState=RUNNING ;;
            0) echo JobState=COMPLETED ;;
            *) echo JobState=FAILED ;;
        esac
    """,
    "scancel": """
        for number; do
            kill -KILL -- "-$(cat "$queue/$number/process")"
            echo 143 >"$queue/$number/code"
        done
    """,
}
"""Each job has a folder in the queue: what was asked for it, its process, how it ended."""

TOY = """
rule all:
    input: "large.txt", "small.txt"
rule large:
    output: "large.txt"
    resources: mem_mb=lambda wildcards, attempt: 100 * attempt, runtime=1, gpu=1
    shell: "[ {resources.mem_mb} -gt 100 ] && touch {output}"
rule small:
    output: "small.txt"
    resources: mem_mb=50, runtime=2, gpu=0
    shell: "touch {output}"
"""
LONG = """
rule long:
    output: "a.txt"
    resources: mem_mb=100, runtime=1, gpu=0
    shell: "sleep 600"
"""


@pytest.fixture
def queue(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """An empty queue, and the programs that fill it on the path."""
    queue, programs = tmp_path / "queue", tmp_path / "programs"
    queue.mkdir()
    programs.mkdir()
    for name, text in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/bash\nqueue='{queue}'\n{text}")
        (programs / name).chmod(0o755)
    paths = [str(plugin("cluster-generic", tmp_path_factory)), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", ":".join(filter(None, paths)))
    monkeypatch.setenv("PATH", f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    return queue


def started(folder: Path, snakefile: str, pause: int) -> subprocess.Popen[str]:
    """Snakemake that asks the engine for its jobs every so many seconds."""
    folder.mkdir()
    (folder / "profiles").symlink_to(ROOT / "profiles")
    (folder / "Snakefile").write_text(snakefile)
    words = [sys.executable, "-m", "snakemake", "--workflow-profile", "profiles/generic"]
    words += ["--latency-wait", "1", "--seconds-between-status-checks", str(pause)]
    words = ["env", "--default-signal=INT", *words]  # it is ignored by what a shell runs beside it
    return subprocess.Popen(
        words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_a_job_is_given_what_it_needs_and_more_when_it_fails(queue: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a 'quoted' folder"
    run = started(folder, TOY, pause=1)
    said, _ = run.communicate()
    assert run.returncode == 0, said
    asked = {}
    for job in queue.iterdir():
        *options, _ = (job / "asked").read_text().splitlines()
        given = dict(option[2:].partition("=")[::2] for option in options)
        assert (given["account"], given["qos"]) == ("lab", "low")
        asked[given["mem"]] = (given["time"], given["partition"], given.get("gres"))
    gpu = ("1", "gpu partition", "gpu:1")
    assert asked == {"50M": ("2", "short; touch broken", None), "100M": gpu, "200M": gpu}
    assert not (folder / "broken").exists()


def test_jobs_are_cancelled_when_snakemake_is(queue: Path, tmp_path: Path) -> None:
    # The plugin forgets the jobs that it is asking for: cancel between two questions.
    with started(tmp_path / "long", LONG, pause=10) as run:
        job = queue / "1"
        while not (job / "process").exists():
            assert run.poll() is None, run.communicate()[0]
            time.sleep(0.1)
        time.sleep(2)
        run.send_signal(signal.SIGINT)
        try:
            said, _ = run.communicate(timeout=60)
        finally:
            run.kill()
    assert (job / "code").read_text() == "143\n", said


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
