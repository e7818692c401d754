"""A run of the workflow as a tree of processes, all of which can be killed at one moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MARK = "CHAOS_RUN"
"""Names the run in the environment of each of its processes, which no new session sheds."""


class Run:
    """A command and all that it starts.

    Attributes:
        log: what it prints.
    """

    def __init__(self, command: list[str], folder: Path, log: Path) -> None:
        """Start it."""
        self.log = log
        self._mark = f"{os.getpid()}-{log}"
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        with open(log, "w") as stream:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=os.environ | {MARK: self._mark, "PATH": path},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            )

    @property
    def code(self) -> int | None:
        """The exit code; None while it runs."""
        return self._process.poll()

    def ended(self, seconds: float | None) -> bool:
        """Wait for its end, so many seconds at most; whether it came."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self.code is not None

    def kill(self) -> None:
        """End every process without warning."""
        quiet = 0
        while quiet < 5:  # one that is just becoming another program shows no environment
            found = sorted(marked(self._mark))  # parents first, as a rule
            quiet = 0 if found else quiet + 1
            if not found:
                time.sleep(0.1)
            for process in found:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            self._process.poll()
        self._process.wait()


def marked(mark: str) -> Iterator[int]:
    """The processes that have the mark in their environment, whoever their parents are now."""
    words = f"{MARK}={mark}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
        except OSError:  # gone, or another user's
            continue
        if words in environment.split(b"\0"):
            yield int(folder.name)
