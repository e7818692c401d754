"""Where data sets come from."""

from __future__ import annotations

from typing import Literal

from sharpness.config.words import Count, PathName, Seed, Settings


class Source(Settings):
    """Where a data set that is not downloaded lies, and which of its examples are held out."""

    file: PathName | None = None
    folder: PathName | None = None
    holdout: PathName | None = None


class Sample(Settings):
    """The training examples that are looked at where a training set is too large for all."""

    examples: Count = 50_000
    seed: Seed = 0


SourceName = Literal[
    "cifar10",
    "cifar10-c",
    "imagenet",
    "imagenet-v2",
    "imagenet-r",
    "imagenet-a",
    "imagenet-sketch",
    "objectnet",
    "mnli",
    "hans",
    "bert-vocabulary",
    "abalone",
    "fashion-mnist",
    "cora",
]
"""What a user can name a copy of."""
