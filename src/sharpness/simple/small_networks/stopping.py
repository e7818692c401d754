"""When a training ends: once the training loss changes by less than 5 % (Sec. III)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class StopRule:
    """A rule on the training losses of the epochs so far; the defaults are the paper's text.

    Attributes:
        threshold: the relative change (before − now) / before below which training ends.
        signed: whether a rise of the loss, a negative change, ends training too; otherwise it is
            the size of the change that counts.
        initial: a "loss" before the first epoch, so that the first is tested too; None for none.
        earliest: the first epoch, from 1, after which the change is tested.
        most: the epoch after which training ends in any case.
    """

    threshold: float = 0.05
    signed: bool = False
    initial: float | None = None
    earliest: int = 2
    most: int = 10

    def stops(self, losses: Sequence[float]) -> bool:
        """Whether training ends after the epochs whose losses these are.

        A loss that is not finite ends it.

        Args:
            losses: one per epoch, at least one; mean or sum over its batches.
        """
        now = losses[-1]
        if len(losses) >= self.most or not math.isfinite(now):
            return True
        before = losses[-2] if len(losses) > 1 else self.initial
        if before is None or len(losses) < self.earliest:
            return False
        change = (before - now) / before
        return (change if self.signed else abs(change)) < self.threshold
