"""How much memory and time each rule asks a cluster for, and how much its jobs have taken.

``resources/requests.csv`` holds both. Print what the jobs of a run have taken, beside what they
asked for, by::

    python -m sharpness.requests results/mini
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sharpness.files import read_json
from sharpness.problem import Problem

TABLE = Path("resources", "requests.csv")
COLUMNS = ("rule", "mem_mb", "runtime", "taken_mb", "taken_min", "measured_on")


@dataclass(frozen=True)
class Request:
    """What a job of a rule asks for at its first attempt.

    Attributes:
        mem_mb: memory in megabytes.
        runtime: minutes.
    """

    mem_mb: int
    runtime: int


@dataclass(frozen=True)
class Taken:
    """What the jobs of a rule have taken.

    Attributes:
        jobs: how many have been measured.
        mem_mb: the most memory of one, in megabytes.
        minutes: the longest of them.
    """

    jobs: int
    mem_mb: float
    minutes: float


def load_requests(path: str | Path = TABLE) -> dict[str, Request]:
    """What each rule asks for.

    Raises:
        Problem: if the table cannot be read as one.
    """
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        return {row["rule"]: Request(int(row["mem_mb"]), int(row["runtime"])) for row in rows}
    except (OSError, KeyError, TypeError, ValueError) as error:
        columns = ", ".join(COLUMNS)
        raise Problem(f"{path}: is no table with the columns {columns} ({error})") from error


def taken(home: str | Path) -> dict[str, Taken]:
    """What the jobs of a run have taken, by rule.

    Args:
        home: a folder ``results/<scale>`` with ``benchmarks/`` and ``stamps/``, which say the rule.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for rule, mem_mb, seconds in _measured(Path(home)):
        found.setdefault(rule, []).append((mem_mb, seconds / 60))
    return {
        rule: Taken(len(jobs), max(mb for mb, _ in jobs), max(minutes for _, minutes in jobs))
        for rule, jobs in sorted(found.items())
    }


def _measured(home: Path) -> Iterator[tuple[str, float, float]]:
    """The rule, the megabytes and the seconds of every job whose memory was sampled."""
    for stamp in sorted(home.joinpath("stamps").rglob("*.json")):
        table = home / "benchmarks" / stamp.relative_to(home / "stamps").with_suffix(".tsv")
        if not table.exists():
            continue
        with open(table, encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream, delimiter="\t"):
                if row["max_rss"] not in ("NA", "-", ""):
                    yield read_json(stamp)["rule"], float(row["max_rss"]), float(row["s"])


def main() -> None:
    """Print a line for each rule of the folders that are named."""
    requests = load_requests()
    print("rule,jobs,taken_mb,mem_mb,taken_min,runtime")
    for home in sys.argv[1:]:
        for rule, used in taken(home).items():
            asked = requests[rule]
            memory = f"{used.mem_mb:.0f},{asked.mem_mb}"
            print(f"{rule},{used.jobs},{memory},{used.minutes:.1f},{asked.runtime}")


if __name__ == "__main__":
    main()
