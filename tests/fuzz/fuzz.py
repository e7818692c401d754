"""Damaged inputs to every reader of ours, by the thousand: only a Problem may come of one.

    python tests/fuzz/fuzz.py --inputs 100000

Prints what came of them. Of each kind of fault the first input is kept in ``--keep``; the exit code
is 1 if there was one.
"""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from targets import TARGETS, Target

from sharpness.io.errors import UserError

LONGEST = 10
"""Seconds that an input may take."""
MEMORY = 3 << 30
"""Bytes that a reader may ask for, beyond what the program has when it starts."""
_AT_ONCE = 2_000  # inputs of one seed


class Hang(BaseException):
    """An input took too long; no reader may catch it."""


@dataclass
class Tally:
    """What came of the inputs of one reader.

    Attributes:
        outcomes: how many were read, refused and faulty.
        faults: the first input of each kind of fault, and its traceback.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: dict[str, tuple[Any, str]] = field(default_factory=dict)


def judge(target: Target, given_input: Any, folder: Path, tally: Tally) -> None:
    """Read one input, and note what came of it."""
    try:
        with limited(LONGEST), redirect_stderr(StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.read(folder, given_input)
        tally.outcomes["read"] += 1
    except UserError as problem:
        if str(problem) and str(problem).isprintable():
            tally.outcomes["refused"] += 1
            return
        note(tally, given_input, f"a message of several lines: {str(problem)!r}")
    except (Exception, Hang) as error:
        place = [f for f in traceback.extract_tb(error.__traceback__) if "sharpness" in f.filename]
        where = f"{Path(place[-1].filename).name}:{place[-1].lineno}" if place else "?"
        note(tally, given_input, f"{type(error).__name__} at {where}", traceback.format_exc())


def note(tally: Tally, given_input: Any, kind: str, details: str = "") -> None:
    tally.outcomes["faults"] += 1
    tally.faults.setdefault(kind, (given_input, details))


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Interrupt what takes too long."""

    def late(*_: Any) -> None:
        raise Hang(f"more than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def fuzz(target: Target, inputs: int, folder: Path, first_seed: int = 0) -> Tally:
    """Give a reader so many inputs."""
    tally, strategy, number = Tally(), target.inputs(), first_seed
    while (left := inputs - tally.outcomes.total()) > 0:
        number += 1

        @seed(number)
        @settings(
            max_examples=min(left, _AT_ONCE),
            database=None,
            deadline=None,
            derandomize=False,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def one(given_input: Any) -> None:
            if tally.outcomes.total() < inputs:
                judge(target, given_input, folder, tally)

        one()
    return tally


def shares(inputs: int, chosen: list[str]) -> dict[str, int]:
    """How many of the inputs each reader is given; the last one has what is left."""
    whole = sum(TARGETS[name].share for name in chosen)
    given_each = {name: inputs * TARGETS[name].share // whole for name in chosen}
    given_each[chosen[-1]] += inputs - sum(given_each.values())
    return given_each


def limit_memory(more: int) -> None:
    """Let the program have so many more bytes than it has."""
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + more, resource.getrlimit(resource.RLIMIT_AS)[1]))


def keep(folder: Path, name: str, tally: Tally) -> None:
    """Write the inputs that were faults to files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (kind, (content, details)) in enumerate(tally.faults.items()):
        stem = f"{name.replace(' ', '-')}-{number}"
        raw = content if isinstance(content, bytes) else repr(content).encode()
        (folder / f"{stem}.input").write_bytes(raw)
        (folder / f"{stem}.txt").write_text(f"{name}: {kind}\n{details}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", choices=list(TARGETS), action="append")
    parser.add_argument("--keep", type=Path, default=Path("results", "fuzz"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    if sys.platform == "linux":
        limit_memory(MEMORY)
    faults = 0
    print(f"{'reader':24}{'read':>9}{'refused':>9}{'faults':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for name, inputs in shares(options.inputs, options.reader or list(TARGETS)).items():
            tally = fuzz(TARGETS[name], inputs, Path(folder), options.seed)
            counts = [tally.outcomes[kind] for kind in ("read", "refused", "faults")]
            print(f"{name:24}" + "".join(f"{count:>9}" for count in counts), flush=True)
            print("".join(f"    {kind}\n" for kind in tally.faults), end="")
            keep(options.keep, name, tally)
            faults += tally.outcomes["faults"]
    print(f"{options.inputs} inputs, {faults} faults; seed {options.seed}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
