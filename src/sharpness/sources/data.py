"""Data of the user's own, by ``SCHEME:REST`` or by the name of a known set.

Training examples are put in the seeded order of `data.listing.draw_sample`, so that the first of
them are a random sample of an image folder, which is sorted by class.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from sharpness.data.batches import Examples, call, logits_of, to_device
from sharpness.io.errors import UserError, described
from sharpness.measures.network import evaluation_mode
from sharpness.sources.grammar import MODULE, parse_data
from sharpness.sources.image_folder import image_folder
from sharpness.sources.known import known_data
from sharpness.sources.labels import outputs_for
from sharpness.sources.models import LoadedModel
from sharpness.sources.opened import OpenData, Order, Split
from sharpness.sources.own_code import own_function
from sharpness.sources.pairs import own_data, torchvision_data
from sharpness.sources.sentences import sentence_table

SEED, MOST = 0, 50_000
"""Seed of the order of training examples, and the most that are used, as in ``sample:``."""


def open_data(
    text: str,
    split: Split,
    places: Mapping[str, Any],
    *,
    record: Mapping[str, Any] | None = None,
    seed: int = SEED,
    most: int = MOST,
) -> OpenData:
    """Open data by its name.

    Args:
        text: ``SCHEME:REST`` or a known set.
        split: "train" puts the examples in seeded order, of which there are at most ``most``, and
            asks data that have splits for their training split.
        places: cache, mirror and offline flag.
        record: of a known set, from `data.locate.locate`.
        seed: of the order.
        most: of the training examples.

    Raises:
        UserError: if it cannot be opened, is empty, or holds something else.
    """
    scheme, rest = parse_data(text)
    order = Order(split == "train", seed, most)
    if scheme == "":
        found = known_data(rest, split, record)
    elif scheme == "imagefolder":
        found = image_folder(text, rest, order)
    elif scheme == "csv":
        found = sentence_table(text, rest, order)
    elif scheme == "torchvision":
        found = torchvision_data(text, rest, split, places, order)
    else:
        found = own_data(text, rest, split, places, order)
    if not len(found):
        raise UserError(f"{text}: has no examples")
    return found


def has_splits(text: str) -> bool:
    """Return whether a function of data has a parameter ``split`` or ``train``; else True."""
    scheme, rest = parse_data(text)
    takes = inspect.signature(own_function(rest)).parameters if scheme == MODULE else {"split"}
    return not {"split", "train"}.isdisjoint(takes)


@dataclass(frozen=True)
class OwnData:
    """The data of a pool, or of one measurement.

    Attributes:
        parts: by the name of the part, of which one is "train".
        table: outputs of the classes, from `labels.read_labels`, if there is a table.
    """

    parts: Mapping[str, OpenData]
    table: Mapping[str, int] | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the classes of the training data."""
        return self.parts["train"].classes

    def for_model(self, loaded: LoadedModel) -> tuple[dict[str, Examples], str]:
        """Return the examples of each part as inputs of a model.

        The second value says how its outputs were assigned to the classes.

        Raises:
            UserError: if the data do not suit the model, or a class has no output of it.
        """
        preparation = loaded.preparation()
        train = self.parts["train"]
        outputs = number_of_outputs(loaded, train.make(preparation))
        for part in self.parts.values():
            if part.fixed and outputs != len(part.classes):
                raise UserError(
                    f"{loaded.source.source}: has {outputs} outputs, {part.title} has "
                    f"{len(part.classes)} classes; name its folder as imagefolder:PATH"
                )
        if train.fixed:
            places, how = list(range(outputs)), "by their order"
        else:
            try:
                names, table = loaded.output_names, self.table
                places, how = outputs_for(self.classes, outputs, names, table, loaded.random)
            except UserError as problem:
                raise UserError(f"{loaded.source.source}: {problem}") from None
        by_name = dict(zip(self.classes, places, strict=True))
        return {p: data.examples(preparation, by_name) for p, data in self.parts.items()}, how


@torch.no_grad()
def number_of_outputs(loaded: LoadedModel, examples: Examples) -> int:
    """Return the number of a model's outputs, by a pass of one example.

    Raises:
        UserError: if it fails, or its outputs are not (examples, classes).
    """
    if (weight := next(loaded.model.parameters(), None)) is None:
        raise UserError(f"{loaded.source.source}: has no weights")
    device = weight.device
    inputs, _ = to_device(next(iter(examples.subset(slice(0, 1)).batches(1))), device)
    with evaluation_mode(loaded.model), described(f"{loaded.source.source}: a pass on the data"):
        found = logits_of(call(loaded.model, inputs))
    if found.ndim != 2 or len(found) != 1:
        raise UserError(
            f"{loaded.source.source}: gives outputs of shape {tuple(found.shape)} for one example; "
            "a classifier gives (1, classes)"
        )
    if found.shape[1] == 1:
        raise UserError(f"{loaded.source.source}: has one output; cross-entropy needs two or more")
    return found.shape[1]
