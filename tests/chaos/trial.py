"""One folder whose run is killed again and again, and what must hold after every kill."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from records import Job, Record
from remains import Remains, Signature, damage, epochs
from workspace import Workspace

BESIDE = {"standin_data": ("standin", "data"), "standin": ("standin",)}
"""Folders in which a job makes more than its outputs: it makes all of that anew."""


@dataclass
class Found:
    """What was found after a kill.

    Attributes:
        in_flight: jobs that were begun and not ended.
        finished: jobs that have ended, since the trial began.
        kept: items that were there at the kill before, and are.
        lost: outputs that were there at the kill before, and were made anew or are not there.
        leftovers: temporaries, and ``size`` is of all of them, in bytes.
        wrong: what must not be, a line each.
    """

    in_flight: frozenset[Job]
    finished: int
    kept: int
    lost: int
    leftovers: int
    size: int
    wrong: list[str] = field(default_factory=list)


class Trial:
    """A workspace with all that was ever finished in it."""

    def __init__(self, workspace: Workspace) -> None:
        """Begin without anything."""
        self.workspace = workspace
        self._before = Remains({}, {})
        self._finished: set[Job] = set()
        self._in_flight: frozenset[Job] = frozenset()
        self._epochs: dict[Path, tuple[int, bool]] = {}

    def look(self, log: Path) -> Found:
        """Compare with what was there when the last run was killed."""
        record, now = Record.read(log), Remains.of(self.workspace.results)
        changed = {
            path for path, found in self._before.files.items() if now.files.get(path) != found
        }
        lost = {path for path in changed if not self._is_progress(path, now)}
        wrong = [f"computed again: {job.outputs[0]}" for job in record.started & self._finished]
        wrong += [f"lost or made again: {path}" for path in sorted(lost) if not self._excused(path)]
        wrong += self._damaged(now.files)
        kept = self._before.states.keys() - changed
        self._finished |= record.finished
        # A run that is killed before its first job leaves what was in flight as it was.
        self._in_flight = (self._in_flight | record.started) - record.finished
        self._before = now
        self._epochs = {path: epochs(path) for path in _progressing(now.files) if not damage(path)}
        size = sum(now.leftovers.values())
        sizes = (len(self._finished), len(kept), len(lost), len(now.leftovers), size)
        return Found(record.in_flight, *sizes, wrong)

    @property
    def progress(self) -> tuple[int, ...]:
        """Grows when a job, an item or an epoch is finished."""
        trained = sum(count for count, _ in self._epochs.values())
        return (len(self._finished), len(self._before.states), trained)

    def _excused(self, path: Path) -> bool:
        """Whether the path is that of a job in flight at a kill that has not ended since."""
        name = path.relative_to(self.workspace.folder)
        inside = path.relative_to(self.workspace.results).parts
        return any(
            str(name) in job.outputs
            or (job.rule in BESIDE and inside[: len(BESIDE[job.rule])] == BESIDE[job.rule])
            for job in self._in_flight
        )

    def _is_progress(self, path: Path, now: Remains) -> bool:
        """Whether an unfinished training has more epochs now."""
        if path not in self._epochs or path not in now.files:
            return False
        before, finished = self._epochs[path]
        return not finished and epochs(path) > (before, False)

    def _damaged(self, files: dict[Path, Signature]) -> list[str]:
        """Half files among those that are new."""
        new = (path for path, found in files.items() if self._before.files.get(path) != found)
        reasons = ((path, damage(path)) for path in new)
        return [f"not whole: {path}: {reason}" for path, reason in reasons if reason]


def _progressing(files: Iterable[Path]) -> Iterable[Path]:
    """The states of trainings."""
    return (path for path in files if path.suffix == ".safetensors" and "state" in path.parts)
