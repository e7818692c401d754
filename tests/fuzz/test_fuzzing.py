"""A short fuzzing run over every reader, and that the run would see what it is there to see."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from fuzz import Hang, Tally, fuzz, judge, limited, shares
from hypothesis import strategies as st
from targets import TARGETS, Target

from sharpness.problem import Problem

INPUTS = 2_000


@pytest.mark.parametrize("name", TARGETS)
def test_only_a_problem_comes_of_a_damaged_input(name: str, tmp_path: Path) -> None:
    inputs = shares(INPUTS, list(TARGETS))[name]
    *_, tally = fuzz(TARGETS[name], inputs, tmp_path)
    assert tally.outcomes.total() == inputs
    assert tally.faults == {}
    assert tally.outcomes["refused"] > inputs / 10  # else nothing was damaged
    assert "read" in tally.outcomes or name == "Abalone"  # else nothing was nearly sound


def raising(error: BaseException) -> Target:
    def read(folder: Path, given: Any) -> None:
        raise error

    return Target(1, lambda: st.integers(), read)


@pytest.mark.parametrize(
    ("error", "outcome", "kind"),
    [
        (Problem("x.csv: is empty"), "refused", []),
        (Problem(""), "faults", ["a message of several lines: ''"]),
        (KeyError("x"), "faults", ["KeyError at ?"]),
        (MemoryError(), "faults", ["MemoryError at ?"]),
        (RecursionError(), "faults", ["RecursionError at ?"]),
        (Hang(), "faults", ["Hang at ?"]),
    ],
)
def test_all_else_is_a_fault(
    error: BaseException, outcome: str, kind: list[str], tmp_path: Path
) -> None:
    tally = Tally()
    judge(raising(error), 1, tmp_path, tally)
    assert tally.outcomes == {outcome: 1}
    assert list(tally.faults) == kind


def test_what_hangs_is_interrupted() -> None:
    with pytest.raises(Hang), limited(0.05):
        time.sleep(5)


def test_every_input_is_counted_and_every_seed_draws_others(tmp_path: Path) -> None:
    seen: list[int] = []
    target = Target(1, lambda: st.integers(0, 2**64), lambda folder, given: seen.append(given))
    *_, tally = fuzz(target, 50, tmp_path)
    assert tally.outcomes == {"read": 50}
    first, seen[:] = list(seen), []
    *_, tally = fuzz(target, 50, tmp_path)
    assert seen == first
    seen.clear()
    *_, tally = fuzz(target, 50, tmp_path, first_seed=1)
    assert seen != first


def test_all_inputs_are_shared_out() -> None:
    given = shares(1003, list(TARGETS))
    assert sum(given.values()) == 1003
    assert sum(target.share for target in TARGETS.values()) == 100
