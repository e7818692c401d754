"""Where data sets come from."""

from __future__ import annotations

from sharpness.config.words import PathName
from sharpness.kinds import Count, Seed, Settings


class Source(Settings):
    """Where a data set that is not downloaded lies, and which of its examples are held out."""

    file: PathName | None = None
    folder: PathName | None = None
    holdout: PathName | None = None


class Sample(Settings):
    """The training examples that are looked at where a training set is too large for all."""

    examples: Count = 50_000
    seed: Seed = 0
