"""Where data sets come from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from sharpness.config.words import Settings


class Source(Settings):
    """Where a data set that is not downloaded lies, and which of its examples are held out."""

    file: str | None = None
    folder: str | None = None
    holdout: str | None = None


class Sample(Settings):
    """The training examples that are looked at where a training set is too large for all."""

    examples: PositiveInt = 50_000
    seed: Annotated[int, Field(ge=0)] = 0


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
