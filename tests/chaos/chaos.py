"""Kill the workflow again and again, and see that nothing but work in flight is ever lost.

A reduced run with every kind of job is made once undisturbed. In a second folder the same command
is killed, with all that it started, at random moments, and typed again. No job that has ended may
begin again, no finished item may change, and in the end all files must have the bytes of the
undisturbed run.

    python tests/chaos/chaos.py --kills 30 --seed 0
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from processes import Run
from reduced import AGAIN, Workspace, reduced
from remains import leftovers

STARTING = 5.0
"""Seconds that a run needs before its first job."""

_BEGUN = re.compile(r"^(?:local)?rule .+:\n((?:    .+\n)+)", re.MULTILINE)
_ENDED = re.compile(r"^Finished jobid: (\d+) ", re.MULTILINE)


class Wrong(Exception):
    """Something that must not be."""


def jobs(log: Path) -> tuple[set[str], set[str]]:
    """The outputs of each job that a run began, and of each that it ended."""
    text = log.read_text()
    numbers = set(_ENDED.findall(text))
    begun, ended = set(), set()
    for lines in _BEGUN.findall(text):
        said = dict(line.strip().split(": ", 1) for line in lines.splitlines() if ": " in line)
        if "output" in said:
            begun.add(said["output"])
            if said["jobid"] in numbers:
                ended.add(said["output"])
    return begun, ended


def items(workspace: Workspace) -> dict[str, int]:
    """Every finished item of an evaluation, with the moment when it was computed."""
    found = workspace.items() | workspace.items("error")
    return {str(path.relative_to(workspace.folder)): moment for path, moment in found.items()}


class Trial:
    """A folder in which the run is killed."""

    def __init__(self, folder: Path) -> None:
        """Begin without anything."""
        self.workspace = reduced(folder)
        self._runs = 0
        self._ended: set[str] = set()
        self._items: dict[str, int] = {}

    def run(self, seconds: float | None = None) -> Run:
        """Type the command; kill it after so many seconds, or let it end.

        Raises:
            Wrong: if something was done again, or the run failed by itself.
        """
        self._runs += 1
        log = self.workspace.folder.with_suffix(f".{self._runs}.log")
        run = Run(["bash", "-c", AGAIN], self.workspace.folder, log)
        try:
            ended = run.ended(seconds)
        finally:
            run.kill()
        if ended and run.code:
            raise Wrong(f"exit code {run.code}, see {log}")
        begun, done = jobs(log)
        if again := begun & self._ended:
            raise Wrong(f"computed again, see {log}: {sorted(again)[0]}")
        now = items(self.workspace)
        if lost := [name for name, moment in self._items.items() if now.get(name) != moment]:
            raise Wrong(f"lost or made again, see {log}: {lost[0]}")
        self._ended, self._items = self._ended | done, now
        return run

    def compare(self, other: Trial) -> None:
        """See that a run which has come to its end made what the other made.

        Raises:
            Wrong: if it did not, left something over, or has still something to do.
        """
        made, wanted = self.workspace.bytes(), other.workspace.bytes()
        names = made.keys() | wanted.keys()
        if differ := [name for name in sorted(names) if made.get(name) != wanted.get(name)]:
            raise Wrong(f"other bytes: {differ[0]}")
        if odd := items(self.workspace).keys() ^ items(other.workspace).keys():
            raise Wrong(f"other items: {sorted(odd)[0]}")
        if left := leftovers(self.workspace.results):
            raise Wrong(f"left over: {left[0]}")
        if "Nothing to be done" not in self.run().log.read_text():
            raise Wrong("a further run had something to do")


def kill_often(work: Path, kills: int, seed: int) -> None:
    """Make the undisturbed run, then kill others; a fresh one whenever one has come to its end."""
    start = time.monotonic()
    undisturbed = Trial(work / "undisturbed")
    undisturbed.run()
    seconds = time.monotonic() - start
    print(f"undisturbed: {seconds:.0f} s", flush=True)
    moments, done, rounds = random.Random(seed), 0, 0
    while done < kills:
        rounds += 1
        trial = Trial(work / f"killed-{rounds}")
        while done < kills:
            run = trial.run(STARTING + moments.uniform(0, 2 * seconds / (kills + 1)))
            if run.code == 0:
                break
            done += 1
            begun, ended = jobs(run.log)
            print(f"kill {done}: {len(ended)} jobs ended, {len(begun - ended)} begun", flush=True)
        else:
            trial.run()
        trial.compare(undisturbed)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="chaos-"))
    try:
        kill_often(work, given.kills, given.seed)
    except Wrong as wrong:
        print(f"{wrong}\nall is kept in {work}", file=sys.stderr)
        return 1
    shutil.rmtree(work)
    print(f"{given.kills} kills with seed {given.seed}: the bytes of the undisturbed run")
    return 0


if __name__ == "__main__":
    sys.exit(main())
