"""Kill the workflow again and again, and see that nothing but work in flight is ever lost.

A reduced run with every kind of job is made once undisturbed. In a second folder the same command
is killed, with all that it started, at random moments, and typed again; what lies there is looked
at after every kill. In the end all files must have the bytes of the undisturbed run.

    python tests/chaos/chaos.py --kills 30 --seed 0 --out kills.csv
"""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from moments import Moments, work_done
from processes import Run
from reduced import AGAIN, Workspace, reduced
from remains import Remains
from trial import Found, Trial

COLUMNS = {
    "kill": 4,
    "second": 6,
    "window": 17,
    "processes": 9,
    "in_flight": 9,
    "finished": 8,
    "kept": 5,
    "lost": 4,
    "leftovers": 9,
    "bytes": 8,
    "wrong": 5,
}


class Chaos:
    """The undisturbed run, the killed ones, and the table of the kills.

    Attributes:
        rows: one a kill.
        wrong: what must not be, a line each.
    """

    def __init__(self, work: Path, kills: int, seed: int) -> None:
        """Begin nothing yet."""
        self.rows: list[dict[str, Any]] = []
        self.wrong: list[str] = []
        self.rounds = 0
        self._work, self._kills, self._seed = work, kills, seed
        self._logs = 0
        self._run: Run | None = None

    def undisturbed(self) -> None:
        """Run to the end once; its bytes are those to be had."""
        workspace = reduced(self._work / "undisturbed")
        start = time.monotonic()
        run = self._started(workspace)
        if run.finished():
            sys.exit(f"the undisturbed run failed:\n{run.log.read_text()}")
        self._moments = Moments(self._seed, time.monotonic() - start)
        self._bytes = workspace.bytes()
        self._items = _items(workspace)
        self._costs = work_done(workspace.results)
        print(f"undisturbed: {self._moments.whole:.0f} s, {len(self._items)} items", flush=True)

    def disturbed(self) -> None:
        """Kill as often as is wanted, in a fresh folder whenever a run came to its end first."""
        self._start = time.monotonic()
        print("  ".join(name.rjust(width) for name, width in COLUMNS.items()), flush=True)
        while len(self.rows) < self._kills and not self.wrong:
            self.rounds += 1
            trial = Trial(reduced(self._work / f"killed-{self.rounds}"))
            self._round(trial)
            self._compare(trial.workspace)

    def _round(self, trial: Trial) -> None:
        """Kill until enough is killed, then run to the end."""
        done: tuple[int, ...] = ()
        row: dict[str, Any] | None = None
        progress = True
        while True:
            run = self._started(trial.workspace)
            window = ""
            if len(self.rows) < self._kills:
                left = self._kills - len(self.rows)
                window = self._moments.wait(run, left, self._left(trial), progress)
            ended = run.finished() if not window else run.code
            if ended is None:
                processes = run.kill()
            found = trial.look(run.log)
            self._conclude(row, found)
            if ended is not None:
                if ended:
                    self.wrong.append(f"exit code {ended}, see {run.log}")
                return
            row = self._row(window, processes, found)
            progress, done = trial.progress > done, trial.progress

    def _started(self, workspace: Workspace) -> Run:
        self._logs += 1
        log = self._work / f"run-{self._logs:03d}.log"
        self._run = Run(["bash", "-c", AGAIN], workspace.folder, log, self._work / "aim")
        return self._run

    def stop(self) -> None:
        """Leave no process behind, whatever ended this one."""
        if self._run is not None and self._run.code is None:
            self._run.kill()

    def _left(self, trial: Trial) -> float:
        """What fraction of the work is not done."""
        done = work_done(trial.workspace.results)
        left = sum(cost for name, cost in self._costs.items() if name not in done)
        return left / sum(self._costs.values())

    def _row(self, window: str, processes: int, found: Found) -> dict[str, Any]:
        """The row of a kill; what was lost by it shows after the next run."""
        row = {
            "kill": len(self.rows) + 1,
            "second": f"{time.monotonic() - self._start:.1f}",
            "window": window,
            "processes": processes,
            "in_flight": len(found.in_flight),
            "finished": found.finished,
            "leftovers": found.leftovers,
            "bytes": found.size,
            "jobs": " ".join(sorted(job.outputs[0] for job in found.in_flight)),
        }
        self.rows.append(row)
        return row

    def _conclude(self, row: dict[str, Any] | None, found: Found) -> None:
        """Complete the row of a kill by what was found after the next run."""
        self.wrong += found.wrong
        if row is None:
            return
        row |= {"kept": found.kept, "lost": found.lost, "wrong": len(found.wrong)}
        print("  ".join(str(row[name]).rjust(width) for name, width in COLUMNS.items()), flush=True)
        for line in found.wrong:
            print(f"  wrong: {line}", flush=True)

    def _compare(self, workspace: Workspace) -> None:
        """What must hold when a killed run has come to its end."""
        made = workspace.bytes()
        names = sorted(made.keys() | self._bytes.keys())
        other = [name for name in names if made.get(name) != self._bytes.get(name)]
        self.wrong += [f"other bytes: {name}" for name in other]
        self.wrong += [f"other items: {name}" for name in sorted(_items(workspace) ^ self._items)]
        left = Remains.of(workspace.results).leftovers
        self.wrong += [f"left over: {path}" for path in sorted(left)]
        again = self._started(workspace)
        if again.finished() or "Nothing to be done" not in again.log.read_text():
            self.wrong.append(f"a further run had something to do, see {again.log}")


def _items(workspace: Workspace) -> set[str]:
    """The names of all states."""
    return {
        str(path.relative_to(workspace.results)) for path in Remains.of(workspace.results).states
    }


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="the table as CSV")
    given = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="chaos-"))
    chaos = Chaos(work, given.kills, given.seed)
    start = time.monotonic()
    try:
        chaos.undisturbed()
        chaos.disturbed()
    finally:
        chaos.stop()
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        with open(given.out, "w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, [*COLUMNS, "jobs"], lineterminator="\n")
            writer.writeheader()
            writer.writerows(chaos.rows)
    minutes = (time.monotonic() - start) / 60
    flights = [row["in_flight"] for row in chaos.rows]
    print(
        f"{len(chaos.rows)} kills with seed {given.seed}, {sum(flights)} jobs in flight, "
        f"{chaos.rows[-1]['kept']} items kept at the last, {sum(r['lost'] for r in chaos.rows)} "
        f"outputs of jobs in flight made again, most leftovers "
        f"{max(row['leftovers'] for row in chaos.rows)}, {len(chaos.wrong)} wrong; "
        f"{minutes:.1f} minutes, {chaos.rounds} killed runs to the end"
    )
    if chaos.wrong:
        print(f"{chaos.wrong[0]}\nall is kept in {work}", file=sys.stderr)
        return 1
    shutil.rmtree(work, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
