"""When a training is looked at: its epochs in stretches, each of which ends with a point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

POINTS = 20
"""Points of a curve at epochs that grow by a constant factor, for a logarithmic axis."""

LONGEST = 5000
"""No stretch has more epochs, since a kill costs the stretch in hand."""


@dataclass(frozen=True)
class Stretch:
    """Epochs of one phase between two points of the curve.

    Attributes:
        phase: its number, from 0.
        start: epochs of the whole training before it.
        stop: epochs of the whole training at its end.
    """

    phase: int
    start: int
    stop: int


def stretches(phases: Sequence[int]) -> list[Stretch]:
    """The stretches of a training, one after the other.

    Args:
        phases: epochs of each phase, all positive.
    """
    ends = np.cumsum(phases)
    total = int(ends[-1])
    growing = np.geomspace(1, total, POINTS).round().astype(int)
    marks = {*growing.tolist(), *range(LONGEST, total, LONGEST), *ends.tolist()}
    stops = sorted(marks)
    phase_of = np.searchsorted(ends, stops, side="left").tolist()
    return [Stretch(*values) for values in zip(phase_of, [0, *stops], stops, strict=False)]
