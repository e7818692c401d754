"""When a run is killed: at random, spread over all of it, some of the moments in narrow windows."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from processes import Run

AT_RENAMES = ("half written", "before the rename", "after the rename")
WINDOWS = ("any moment", "any moment", "a job begins", "a job ends", *AT_RENAMES)
STARTING = 5.0
"""Seconds that a run needs before its first job."""
LOST = 3.0
"""Seconds of work that a kill costs, about."""
LONGEST = 20.0
"""Seconds that are waited for a window."""


def windows(random: random.Random) -> Iterator[str]:
    """Each window as often as the others, in random order."""
    while True:
        yield from random.sample(WINDOWS, len(WINDOWS))


class Moments:
    """Random waits, so long on average that the kills spread over the work that is left.

    Attributes:
        whole: seconds of an undisturbed run.
    """

    def __init__(self, seed: int, whole: float) -> None:
        """Draw nothing yet."""
        self._random = random.Random(seed)
        self._windows = windows(self._random)
        self._patience = 1.0
        self.whole = whole

    def wait(self, run: Run, left: int, work: float, progress: bool) -> str:
        """Wait for the moment of the next kill, or for the end of the run.

        Args:
            run: which is to be killed.
            left: how many kills are to come, this one included.
            work: what fraction of the whole is not done.
            progress: whether the last run finished anything; if not, this one is given longer.

        Returns:
            The window.
        """
        self._patience = 1.0 if progress else 1.5 * self._patience
        mean = STARTING + LOST + work * self.whole / (left + 1)
        _until(lambda: False, run, self._random.uniform(0, 2 * self._patience * mean))
        window = next(self._windows)
        if window in AT_RENAMES:
            run.aim_at(window)
            _until(lambda: bool(run.hit), run, LONGEST)
        elif window != "any moment":
            words = "rule " if window == "a job begins" else "Finished jobid: "
            before = run.log.read_text().count(words)
            _until(lambda: run.log.read_text().count(words) > before, run, LONGEST)
        return window


def _until(happened: Callable[[], bool], run: Run, seconds: float) -> None:
    """Wait until it has happened, the run has ended, or the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and run.code is None and not happened():
        time.sleep(0.005)


def work_done(results: Path) -> dict[str, float]:
    """The seconds of each finished job, by the file in which Snakemake wrote them."""
    folder = results / "benchmarks"
    done = {}
    for path in folder.rglob("*.tsv"):
        lines = path.read_text().splitlines()
        if len(lines) > 1:
            done[str(path.relative_to(folder))] = float(lines[1].split("\t")[0])
    return done
