"""Stand-ins for sbatch, scontrol and scancel: each job is a process of this machine.

Beside the programs lies the queue: a folder a job with what was asked for it, its output and how it
ended. A job whose name begins with one in `queue/kill` is killed once, as for memory.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

QUEUE = Path(os.environ.get("FAKE_QUEUE", "."))


def install(folder: Path) -> Path:
    """The folder that PATH must name first."""
    queue = folder / "queue"
    (queue / "kill").mkdir(parents=True)
    for name in PROGRAMS:
        program = folder / name
        program.write_text(
            f"#!/bin/sh\nFAKE_QUEUE='{queue}' "
            f"exec '{sys.executable}' -IS '{__file__}' {name} \"$@\""
        )
        program.chmod(0o755)
    return folder


def asked(folder: Path) -> list[list[str]]:
    """The arguments of each job in the order in which they were submitted."""
    paths = sorted(folder.glob("queue/*/asked"), key=lambda path: int(path.parent.name))
    return [json.loads(path.read_text()) for path in paths]


def start(name: str, asked: object, command: list[str]) -> str:
    """Run a job in the background, in a session of its own, and note how it ended."""
    number = 1 + sum(1 for path in QUEUE.iterdir() if path.name.isdigit())
    job = QUEUE / str(number)
    job.mkdir()
    (job / "asked").write_text(json.dumps(asked))
    for kill in [path for path in (QUEUE / "kill").iterdir() if name.startswith(path.name)]:
        kill.unlink()
        command = ["timeout", "--signal=KILL", "1", *command]
    script = 'folder=$1; shift; "$@"; echo $? >"$folder/code"'
    noted = ["sh", "-c", script, "job", str(job), *command]
    with open(job / "output", "w") as output:
        streams = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
        process = subprocess.Popen(noted, start_new_session=True, **streams)
    (job / "process").write_text(str(process.pid))
    return str(number)


def code(number: str) -> int | None:
    """How a job ended; nothing while it runs."""
    path = QUEUE / number / "code"
    text = path.read_text() if path.exists() else ""
    return int(text) if text else None


def cancel(number: str) -> None:
    os.killpg(int((QUEUE / number / "process").read_text()), signal.SIGKILL)
    (QUEUE / number / "code").write_text("143")


def sbatch(*words: str) -> str:
    *options, script = words
    (name,) = [word.partition("=")[2] for word in options if word.startswith("--job-name=")]
    return start(name, options, ["sh", script])


def scontrol(*words: str) -> str:
    number = words[-1]
    if not (QUEUE / number).exists():
        sys.exit("slurm_load_jobs error: Invalid job id specified")
    states = {None: "RUNNING", 0: "COMPLETED", 137: "OUT_OF_MEMORY"}
    return f"JobId={number} JobName=any JobState={states.get(code(number), 'FAILED')} Reason=None"


def scancel(*numbers: str) -> str:
    for number in numbers:
        cancel(number)
    return ""


PROGRAMS = {program.__name__: program for program in (sbatch, scontrol, scancel)}

if __name__ == "__main__":
    print(PROGRAMS[sys.argv[1]](*sys.argv[2:]))
