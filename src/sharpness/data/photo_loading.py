"""Opening the set of photos that a record describes: which files, which labels, which recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sharpness.data.classes import imagenet, labelled
from sharpness.data.examples import Groups
from sharpness.data.imagenet import chosen, held_out
from sharpness.data.listing import File, digest_of, names, sized, subfolders
from sharpness.data.photo_sets import LAYOUTS
from sharpness.data.photos import Photos
from sharpness.data.preprocessing import RECIPES, Recipe
from sharpness.data.registry import remade
from sharpness.data.sample import PHOTOS, REDRAWN, read_sample
from sharpness.problem import Problem

BORDER = {"objectnet": 2}
"""Pixels cut from each side. ObjectNet's photos have a red frame of one pixel, so that nobody
trains on them unawares; the published accuracies of the soups were measured with two cut away."""


def load_photos(
    name: str, split: str, record: Mapping[str, Any], inputs: Mapping[str, Any]
) -> Photos:
    """The photos of a split, decoded when they are asked for.

    Args:
        name: of the data set.
        split: ``train`` or ``test``.
        record: what `places.locate` says; with ``sample``, the training images are those
            of that list, in its order.
        inputs: ``recipe``, ``size`` and ``threads``; for ImageNet's shifts also ``classes``, the
            network's classes as WordNet ids in logit order, without which they are ImageNet-1k's.

    Raises:
        Problem: if the folder is not as it was when the record was made, or has no class that the
            network knows.
    """
    folder = Path(record["splits"][split]["folder"])
    if inputs["recipe"] not in RECIPES:
        raise Problem(f"recipe {inputs['recipe']!r} is unknown; one of {', '.join(RECIPES)}")
    labels, groups = _classes(name, record, inputs)
    files = _files(name, split, record, labels)
    kept = [file for file in files if _folder(file[0]) in labels]
    return Photos(
        title=record["title"],
        folder=folder,
        files=kept,
        labels=torch.tensor([labels[_folder(name)] for name, _ in kept], dtype=torch.int64),
        groups=groups,
        recipe=Recipe(inputs["recipe"], inputs["size"], BORDER.get(name, 0)),
        threads=inputs.get("threads", 1),
    )


def _classes(
    name: str, record: Mapping[str, Any], inputs: Mapping[str, Any]
) -> tuple[dict[str, int], Groups | None]:
    """The label of each class folder, and what the labels mean."""
    if name not in LAYOUTS:  # ImageNet itself: its training images define the classes
        return {wnid: label for label, wnid in enumerate(record["classes"])}, None
    try:
        network = inputs.get("classes") or imagenet()
        return labelled(record["classes"], LAYOUTS[name].naming, network)
    except Problem as problem:
        raise Problem(f"{record['folder']}: {problem}") from None


def _files(
    name: str, split: str, record: Mapping[str, Any], labels: Mapping[str, int]
) -> list[File]:
    """The images of a split with their sizes: those that were found, or those of the list."""
    part = record["splits"][split]
    folder = Path(part["folder"])
    sample = record.get("sample") if split == "train" else None
    listed = _sampled(Path(sample), labels) if sample else None
    try:
        files = list(sized(folder, _listed(name, folder, record) if listed is None else listed))
        if listed is None and digest_of(files) != (part["images"], part["digest"]):
            raise Problem(f"{folder}: has changed since it was found")
    except Problem as problem:
        raise Problem(f"{problem}; {remade(name)}") from None
    return files


def _listed(name: str, folder: Path, record: Mapping[str, Any]) -> list[str]:
    """The images in the folder, in the order in which the record counted them."""
    if name in LAYOUTS:
        return list(names(folder, record["classes"]))
    found = list(names(folder, subfolders(folder)))
    if name == "imagenet-2p":
        return chosen(found, held_out(Path(record["holdout"]["path"]), len(found)))
    return found


def _sampled(path: Path, labels: Mapping[str, int]) -> list[str]:
    """The images of a list, whose labels must be those of their folders."""
    found = []
    for row in read_sample(path, PHOTOS):
        if str(labels.get(_folder(row["file"]))) != row["label"]:
            raise Problem(f"{path}: {row['file']} has label {row['label']!r}; {REDRAWN}")
        found.append(row["file"])
    return found


def _folder(name: str) -> str:
    return name.partition("/")[0]
