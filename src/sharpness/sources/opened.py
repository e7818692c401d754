"""Labelled data before a model's preprocessing, and which of it is used, in which order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from sharpness.data.batches import Examples
from sharpness.data.images import Images
from sharpness.data.listing import draw_sample
from sharpness.io.errors import UserError
from sharpness.sources.preparation import ImageInputs, Preparation

Split = Literal["train", "test"]

MOST_CLASSES = 1_000_000
"""Numbers from there on are no classes."""


@dataclass(frozen=True)
class OpenData:
    """Labelled data before a model's preprocessing.

    Attributes:
        title: how it was named.
        classes: names of its classes, in the order of the labels.
        labels: (n,), int64, places in ``classes``.
        make: from a preprocessing to examples, whose labels are these.
        fixed: whether the labels are already the outputs of any model that fits.
    """

    title: str
    classes: tuple[str, ...]
    labels: Tensor
    make: Callable[[Preparation | None], Any]
    fixed: bool = False

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.labels)

    def examples(self, preparation: Preparation | None, outputs: Mapping[str, int]) -> Examples:
        """Return the examples as inputs of a model; ``outputs`` are those of each class.

        Raises:
            UserError: if a class has no output, or the preprocessing is of another kind of data.
        """
        made: Examples = self.make(preparation)
        if self.fixed:
            return made
        if absent := [name for name in self.classes if name not in outputs]:
            raise UserError(f"{self.title}: its class {absent[0]!r} is none of the training data")
        chosen = torch.tensor([outputs[name] for name in self.classes])[self.labels]
        if isinstance(made, Images):
            return replace(made, labels=chosen, classes=max(outputs.values()) + 1)
        return replace(made, labels=chosen)  # type: ignore[type-var]


@dataclass(frozen=True)
class Order:
    """Which examples are used, and in which order."""

    seeded: bool
    seed: int
    most: int

    def __call__(self, keys: Sequence[str]) -> list[int]:
        """Return the places of the examples with these names, in order."""
        if not self.seeded:
            return list(range(len(keys)))
        rows = [{"key": key, "place": place} for place, key in enumerate(keys)]
        return [row["place"] for row in draw_sample(rows, "key", self.most, self.seed)]


def image_inputs(inputs: Preparation | None, text: str) -> ImageInputs:
    """Return a preprocessing of images; raise UserError, which names the data, for another."""
    if inputs is None:
        raise UserError(
            f"{text}: the model does not say how images become its inputs; give their size, mean "
            "and std: --input-size --mean --std, or `inputs: {size, mean, std}` in a pool"
        )
    if not isinstance(inputs, ImageInputs):
        raise UserError(f"{text}: holds images, but the model reads sentences")
    return inputs


def class_names(labels: Iterable[str], text: str) -> tuple[str, ...]:
    """Return the distinct labels in order; whole numbers stand for all from 0 to the largest.

    Raises:
        UserError: which begins with ``text``, if a label is empty, or too large for a class.
    """
    distinct = set(labels)
    if "" in distinct:
        raise UserError(f"{text}: a label is empty")
    if distinct and all(re.fullmatch(r"0|[1-9][0-9]{0,17}", label) for label in distinct):
        largest = max(map(int, distinct))
        if largest >= MOST_CLASSES:
            raise UserError(f"{text}: label {largest} is no class; they are numbered from 0")
        return tuple(map(str, range(largest + 1)))
    return tuple(sorted(distinct))
