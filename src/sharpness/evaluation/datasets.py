"""Data sets on which the models of one job are evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch

from sharpness.data.batches import Batch, Examples, to_device
from sharpness.data.images import Images, augment
from sharpness.data.load import load_dataset
from sharpness.data.locate import read_record
from sharpness.io.errors import UserError
from sharpness.io.files import expanded
from sharpness.measures.ball import noise_generator


def inputs_of_job(
    inputs: Mapping[str, Any] | None, threads: int, photo_cache: str | None, vocabulary: str | None
) -> dict[str, Any] | None:
    """Return the settings of the inputs with what a job adds: its threads, folder, and record."""
    if inputs is None:
        return None
    found = {**inputs, "threads": threads}
    if photo_cache:
        found["cache"] = expanded(photo_cache)
    if vocabulary:
        found["vocabulary"] = read_record(vocabulary)
    return found


class Datasets(Mapping[str, Examples]):
    """The examples of each part whose data are present.

    Attributes:
        titles: those of all parts.
        missing: the reason for each part without data.
    """

    titles: Mapping[str, str]
    missing: Mapping[str, str]


class EvalDatasets(Datasets):
    """Data sets that are the same for all models, read when first used."""

    def __init__(
        self,
        data: Mapping[str, Mapping[str, Any]],
        inputs: Mapping[str, Any] | None = None,
        classes: int | None = None,
    ) -> None:
        """Find out which parts have data, without reading any.

        ``data`` holds the record of each data set, by part. ``inputs`` is as in ``load_dataset``;
        the classes of the logits are added if the training set's record names them. ``classes`` is
        the number of the models' logits; None leaves it unchecked. Raises UserError if the training
        set has another number of classes.
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
        """Return the examples of a part, reading them on first use."""
        record = self._records[part]
        if part not in self._read:
            split = "train" if part == "train" else "test"
            self._read[part] = load_dataset(record["name"], split, record, inputs=self._inputs)
        return self._read[part]

    def __contains__(self, part: object) -> bool:
        """Return whether the data of a part are present, without reading them."""
        return part in self._records

    def __iter__(self) -> Iterator[str]:
        """Iterate over the parts whose data are present, in order."""
        return iter(self._records)

    def __len__(self) -> int:
        """Return the number of parts whose data are present."""
        return len(self._records)


def _absence(record: Mapping[str, Any], part: str, vocabulary: Mapping[str, Any] | None) -> str:
    """Return why a part has no data (set, vocabulary or split missing); empty if it has."""
    for needed in (record, vocabulary):
        if needed and needed["status"] != "present":
            return str(needed["reason"])
    split = "train" if part == "train" else "test"
    if split not in record.get("splits", (split,)):
        return f"{record['folder']}: has no {split} split; add it"
    return ""


def first_points(train: Examples, count: int) -> Examples:
    """Return the first ``count`` training examples; raise UserError if there are fewer."""
    if len(train) < count:
        have = f"{train.title}: has {len(train)} training examples"
        raise UserError(f"{have}, sharpness.points is {count}; lower it")
    return train.subset(slice(0, count))


def resident(points: Examples, m: int, device: torch.device) -> list[Batch]:
    """Return batches of m points, all of them on the device at once."""
    return [to_device(batch, device) for batch in points.batches(m)]


def augmented(points: Examples, seed: int, rounds: int) -> Images:
    """Return one augmented view of each point (App. H.1), by ``rounds`` RandAugment operations.

    Raises UserError if the points are not ``Images``, which alone can be augmented.
    """
    if not isinstance(points, Images):
        raise UserError(
            f"{points.title}: has no augmented views; ablations must take original data"
        )
    views = augment(points.pixels, noise_generator(points.pixels.device, seed), points.flip, rounds)
    return replace(points, pixels=views)
