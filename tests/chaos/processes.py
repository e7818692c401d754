"""A run of the workflow as a tree of processes, all of which can be killed at one moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

INSIDE = Path(__file__).parent / "inside"
MARK = "CHAOS_RUN"
"""Names the run in the environment of each of its processes, which no new session sheds."""


class Run:
    """A command and all that it starts.

    Attributes:
        log: what it prints.
    """

    def __init__(self, command: list[str], folder: Path, log: Path, aim: Path) -> None:
        """Start it."""
        self.log, self._aim = log, aim
        self._mark = f"{os.getpid()}-{log}"
        programs = Path(sys.executable).parent
        paths = [str(INSIDE), os.environ.get("PYTHONPATH", "")]
        changed = {
            MARK: self._mark,
            "CHAOS_AIM": str(aim),
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": ":".join(path for path in paths if path),
        }
        for left in (aim, aim.with_suffix(".hit")):
            left.unlink(missing_ok=True)
        with open(log, "w") as stream:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=os.environ | changed,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            )

    @property
    def code(self) -> int | None:
        """The exit code; None while it runs."""
        return self._process.poll()

    def finished(self) -> int:
        """The exit code, waited for."""
        return self._process.wait()

    def aim_at(self, window: str) -> None:
        """Have the next process that comes to this window stand still in it."""
        fresh = self._aim.with_suffix(".new")
        fresh.write_text(window)
        fresh.rename(self._aim)

    @property
    def hit(self) -> str:
        """The file at whose rename a process stands still; empty before."""
        file = self._aim.with_suffix(".hit")
        return file.read_text() if file.exists() else ""

    def kill(self) -> int:
        """End every process without warning; how many there were."""
        killed: set[int] = set()
        quiet = 0
        while quiet < 5:  # one that is just becoming another program shows no environment
            found = set(marked(self._mark))
            quiet = 0 if found else quiet + 1
            if not found:
                time.sleep(0.1)
            for process in sorted(found):  # parents first, as a rule
                try:
                    os.kill(process, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            killed |= found
            self._process.poll()
        self._process.wait()
        return len(killed)


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
