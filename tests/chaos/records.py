"""What a run's log says of its jobs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_STARTED = re.compile(r"^(?:local)?rule (\S+):\n((?:    .+\n)+)", re.MULTILINE)
_FINISHED = re.compile(r"^Finished jobid: (\d+) ", re.MULTILINE)


@dataclass(frozen=True)
class Job:
    """One job, the same in every run.

    Attributes:
        rule: its rule.
        outputs: its files.
    """

    rule: str
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Record:
    """The jobs of one run."""

    started: frozenset[Job]
    finished: frozenset[Job]

    @property
    def in_flight(self) -> frozenset[Job]:
        """What was begun and not ended when the log ended."""
        return self.started - self.finished

    @classmethod
    def read(cls, log: Path) -> Record:
        """The record of a log; rules without files, such as `all`, are passed over."""
        text = log.read_text()
        ended = set(_FINISHED.findall(text))
        started, finished = set(), set()
        for rule, lines in _STARTED.findall(text):
            said = dict(line.strip().split(": ", 1) for line in lines.splitlines() if ": " in line)
            if "output" not in said:
                continue
            job = Job(rule, tuple(said["output"].split(", ")))
            started.add(job)
            if said["jobid"] in ended:
                finished.add(job)
        return cls(frozenset(started), frozenset(finished))
