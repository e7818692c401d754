"""A short fuzzing run over every reader, and that a fault would be seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fuzz import Tally, fuzz, judge, shares
from hypothesis import strategies as st
from targets import TARGETS, Target

INPUTS = 2_000


@pytest.mark.parametrize("name", TARGETS)
def test_only_a_problem_comes_of_a_damaged_input(name: str, tmp_path: Path) -> None:
    inputs = shares(INPUTS, list(TARGETS))[name]
    tally = fuzz(TARGETS[name], inputs, tmp_path)
    assert tally.outcomes.total() == inputs
    assert tally.faults == {}
    assert tally.outcomes["refused"] > inputs / 10  # else nothing was damaged
    assert "read" in tally.outcomes or name == "Abalone"  # else nothing was nearly sound


def test_another_error_is_a_fault(tmp_path: Path) -> None:
    def read(folder: Path, given: Any) -> None:
        raise KeyError("x")

    tally = Tally()
    judge(Target(1, st.integers, read), 1, tmp_path, tally)
    assert tally.outcomes == {"faults": 1}
    assert list(tally.faults) == ["KeyError at ?"]
