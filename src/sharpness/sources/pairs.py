"""``torchvision:NAME`` and ``package.module:function``: pairs of (input, target), or batches."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sharpness.data.batches import map_tensors
from sharpness.io.errors import UserError
from sharpness.io.validation import hint
from sharpness.sources.examples import Pictures, Tensors, joined, lengths
from sharpness.sources.offline import go_offline_if_needed, library_errors
from sharpness.sources.opened import OpenData, Order, Split, class_names, image_inputs
from sharpness.sources.own_code import called_with_split, own_function
from sharpness.sources.preparation import Preparation
from sharpness.sources.seeds import seeded


def torchvision_data(
    text: str, rest: str, split: Split, places: Mapping[str, Any], order: Order
) -> OpenData:
    """Open a data set of torchvision, downloaded into the cache unless ``offline``.

    Raises:
        UserError: if there is no such data set, or it cannot be had.
    """
    from torchvision import datasets

    if rest not in datasets.__all__:
        raise UserError(f"{text}: torchvision has no such data; {hint(rest, datasets.__all__)}")
    kind = getattr(datasets, rest)
    takes = inspect.signature(kind).parameters
    given: dict[str, Any] = {}
    if "root" in takes:
        given["root"] = str(Path(places["cache"]) / "torchvision")
    if "train" in takes:
        given["train"] = split == "train"
    elif "split" in takes:
        given["split"] = split
    if "download" in takes:
        given["download"] = not places["offline"]
    with library_errors(text, places):
        return _examples(text, _made(text, kind, given), order)


def _made(text: str, kind: Any, given: Mapping[str, Any]) -> Any:
    """Make the data set; raise UserError if its files are not there and may not be downloaded."""
    try:
        return kind(**given)
    except RuntimeError as error:  # torchvision has no class of its own for this
        if given.get("download", True) or "not found" not in str(error):
            raise
        raise UserError(
            f"{text}: is not whole in {given.get('root')}, and `offline` is set; download it where "
            "there is a network, and copy that folder"
        ) from error


def own_data(
    text: str, rest: str, split: Split, places: Mapping[str, Any], order: Order
) -> OpenData:
    """Open what a function of the user's returns.

    Raises:
        UserError: if it fails, or returns neither batches nor a data set of (input, target).
    """
    go_offline_if_needed(bool(places.get("offline")))  # before the user's imports
    with library_errors(text, places), seeded(order.seed):
        found = called_with_split(own_function(rest), split)
        if isinstance(found, Iterable) and not hasattr(found, "__getitem__"):
            found = list(found)
        return _examples(text, found, order)


def _examples(text: str, found: Any, order: Order) -> OpenData:
    """Open a data set of (input, target), or batches of them."""
    listed = hasattr(found, "__len__") and hasattr(found, "__getitem__")
    if not listed or isinstance(found, Mapping) or not len(found):
        raise UserError(f"{text}: gave a {type(found).__name__} without examples or batches")
    first = found[0]
    if not isinstance(first, tuple | list) or len(first) != 2:
        raise UserError(f"{text}: gave {type(first).__name__}, not pairs of (input, target)")
    if isinstance(first[1], Tensor | np.ndarray) and first[1].ndim:
        return _batches(text, [found[k] for k in range(len(found))], order)
    return _pairs(text, found, isinstance(first[0], Image.Image), order)


def _pairs(text: str, found: Any, images: bool, order: Order) -> OpenData:
    labels = _targets(found)
    chosen = order([*map(str, range(len(found)))])
    picked = _whole_numbers([labels[k] for k in chosen], text)
    named = tuple(map(str, getattr(found, "classes", ())))
    alike = len({*named}) < len(named)  # ImageNet has two classes named crane
    classes = tuple(map(str, range(len(named)))) if alike else named
    classes = classes or class_names(map(str, picked), text)
    if max(picked) >= len(classes):
        raise UserError(f"{text}: label {max(picked)} is none of its {len(classes)} classes")
    targets, label_at = torch.tensor(picked), dict(zip(chosen, picked, strict=True))

    def read(place: int) -> Any:
        inputs, target = found[place]
        if _whole_numbers([target], text) != [label_at[place]]:
            listed = f"its list of targets says {label_at[place]}"
            raise UserError(f"{text}: example {place} has target {target}, but {listed}")
        return inputs

    if images:

        def make(inputs: Preparation | None) -> Pictures:
            return Pictures(text, read, chosen, targets, image_inputs(inputs, text), text)

        return OpenData(text, classes, targets, make)
    single = [map_tensors(lambda t: t[None], read(place)) for place in chosen]
    inputs = joined(single, text)
    return OpenData(text, classes, targets, lambda _: Tensors(text, inputs, targets))


def _batches(text: str, batches: Sequence[Any], order: Order) -> OpenData:
    targets = [torch.as_tensor(batch[1]) for batch in batches]
    for (part, _), labels in zip(batches, targets, strict=True):
        if (sizes := lengths(part)) and sizes != {len(labels)}:
            have = f"inputs of {', '.join(map(str, sorted(sizes)))} and targets of {len(labels)}"
            raise UserError(f"{text}: a batch has {have}; an example has one whole number")
    if len(batches) > 1 and all(len(t) > 2 and int(t.sum()) == int(t.max()) == 1 for t in targets):
        raise UserError(f"{text}: its targets look one-hot; give one whole number an example")
    inputs = joined([batch[0] for batch in batches], text)
    given = torch.cat(targets)
    if given.ndim != 1 or given.is_floating_point():
        raise UserError(
            f"{text}: its targets are {given.dtype} of shape {tuple(given.shape)}, not "
            "one whole number an example"
        )
    chosen = torch.tensor(order([*map(str, range(len(given)))]))
    labels = given[chosen].long()
    classes = class_names(map(str, _whole_numbers(labels.tolist(), text)), text)
    kept = map_tensors(lambda tensor: tensor[chosen], inputs)
    return OpenData(text, classes, labels, lambda _: Tensors(text, kept, labels))


def _targets(found: Any) -> Sequence[Any]:
    """Return the labels of a data set, without reading its inputs where it lists them."""
    for name in ("targets", "labels", "_labels"):
        listed = getattr(found, name, None)
        if listed is not None and len(listed) == len(found):
            return list(listed)
    return [found[k][1] for k in range(len(found))]


def _whole_numbers(labels: Iterable[Any], text: str) -> list[int]:
    numbers = []
    for label in labels:
        value = label.item() if hasattr(label, "item") else label
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise UserError(f"{text}: label {value!r} is no whole number from 0")
        numbers.append(value)
    return numbers
