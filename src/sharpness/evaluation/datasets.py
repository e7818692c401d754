"""The data sets that the models of one job are evaluated on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch

from sharpness.data.batches import Batch, Examples, to_device
from sharpness.data.images import Images, augment
from sharpness.data.load import load_dataset
from sharpness.io.errors import UserError
from sharpness.measures.ball import noise_generator


class EvalDatasets(Mapping[str, Examples]):
    """The examples of each part whose data are there, each read when it is first asked for.

    Attributes:
        titles: of all parts, whether their data are there or not.
        missing: parts without data, and why.
    """

    def __init__(
        self,
        data: Mapping[str, Mapping[str, Any]],
        inputs: Mapping[str, Any] | None = None,
        classes: int | None = None,
    ) -> None:
        """Look at no data yet.

        Args:
            data: the record of each data set, by the part it plays.
            inputs: how examples become tensors, as ``data.load`` takes it. Which classes the
                logits mean is added where the record of the training set says it.
            classes: how many logits the models have; None leaves that unchecked.

        Raises:
            UserError: if the training set has another number of classes.
        """
        named = data["train"].get("classes")
        if named and classes and len(named) != classes:
            have = f"{data['train']['title']}: has {len(named)} classes"
            raise UserError(f"{have}, the models have {classes}; name the whole data set")
        self.titles = {part: str(record["title"]) for part, record in data.items()}
        self.missing = {
            part: why
            for part, record in data.items()
            if (why := _absence(record, part, (inputs or {}).get("vocabulary")))
        }
        self._records = {part: r for part, r in data.items() if part not in self.missing}
        self._inputs = None if inputs is None else dict(inputs)
        if self._inputs is not None and named:
            self._inputs["classes"] = named
        self._read: dict[str, Examples] = {}

    def __getitem__(self, part: str) -> Examples:
        """The examples of a part."""
        record = self._records[part]
        if part not in self._read:
            split = "train" if part == "train" else "test"
            self._read[part] = load_dataset(record["name"], split, record, inputs=self._inputs)
        return self._read[part]

    def __contains__(self, part: object) -> bool:
        """Whether the data of a part are there; reads nothing."""
        return part in self._records

    def __iter__(self) -> Iterator[str]:
        """The parts whose data are there, in order."""
        return iter(self._records)

    def __len__(self) -> int:
        """Number of parts whose data are there."""
        return len(self._records)


def _absence(record: Mapping[str, Any], part: str, vocabulary: Mapping[str, Any] | None) -> str:
    """Why a part has no data: it, the vocabulary or the split is missing; empty if it has."""
    for needed in (record, vocabulary):
        if needed and needed["status"] != "present":
            return str(needed["reason"])
    split = "train" if part == "train" else "test"
    if split not in record.get("splits", (split,)):
        return f"{record['folder']}: has no {split} split; add it"
    return ""


def first_points(train: Examples, count: int) -> Examples:
    """The training points that sharpness is measured on.

    Raises:
        UserError: if there are fewer.
    """
    if len(train) < count:
        have = f"{train.title}: has {len(train)} training examples"
        raise UserError(f"{have}, sharpness.points is {count}; lower it")
    return train.subset(slice(0, count))


def resident(points: Examples, m: int, device: torch.device) -> list[Batch]:
    """Batches of m points, all of them on the device at once."""
    return [to_device(batch, device) for batch in points.batches(m)]


def augmented(points: Examples, seed: int, rounds: int) -> Images:
    """One augmented view of each point (App. H.1), by so many operations of RandAugment.

    Raises:
        UserError: if the points are not images in memory, which alone can be augmented.
    """
    if not isinstance(points, Images):
        raise UserError(
            f"{points.title}: has no augmented views; ablations must take original data"
        )
    views = augment(points.pixels, noise_generator(points.pixels.device, seed), points.flip, rounds)
    return replace(points, pixels=views)
