"""Open the data set that a record of `locate.locate` describes."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sharpness.data import cifar
from sharpness.data.batches import Examples, Groups
from sharpness.data.imagenet import LAYOUTS
from sharpness.data.images import Images
from sharpness.data.listing import (
    PHOTOS,
    File,
    digest_of,
    held_out,
    imagenet_wnids,
    labelled,
    names,
    read_sample,
    select_images,
    sized,
    subfolders,
)
from sharpness.data.photo_cache import PhotoCache
from sharpness.data.photos import Photos
from sharpness.data.recipes import RECIPES, Recipe
from sharpness.data.registry import REGISTRY, relocate_advice
from sharpness.data.small import digits, digits_c
from sharpness.io.errors import REMAKE, UserError


def load_dataset(
    name: str, split: str, record: Mapping[str, Any], inputs: Mapping[str, Any] | None = None
) -> Examples:
    """Open a data set: photos are decoded on demand, all others are read into memory.

    Args:
        name: a key of `sharpness.data.registry.REGISTRY`.
        split: ``train`` or ``test``; most data sets have only ``test``.
        record: from `locate` for this name. If it has ``sample``, the path of a list by
            `sharpness.data.listing.write_sample`, the training examples of ImageNet and MNLI are
            those listed.
        inputs: how photos (``name``: photos) or sentences (``name``: tokens) become inputs; not
            needed for digits and CIFAR.

    Raises:
        UserError: if the record says that the set is missing or is that of another set, there is no
            such split, the inputs do not fit the set, or a file is damaged.
    """
    if record["name"] != name:
        raise UserError(f"data set {name}: the record is that of {record['name']}")
    if record["status"] != "present":
        raise UserError(f"data set {name} is missing: {record['reason']}")
    splits = record.get("splits", REGISTRY[name].splits)
    if split not in splits:
        problem = f"data set {name}: has no split {split!r}, only {', '.join(splits)}"
        if "splits" in record:
            problem += f"; add it to {record['folder']}, {relocate_advice(name)}"
        raise UserError(problem)
    files = [Path(entry["path"]) for entry in record["files"]]
    try:
        if REGISTRY[name].kind in _INPUTS:
            return _streamed(name, split, record, inputs or {})
        return _resident(name, split, files)
    except (OSError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError) as error:
        where = getattr(error, "filename", None) or (files[0] if files else record["folder"])
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"{where}: cannot be read ({reason}); fetch it again, or {relocate_advice(name)}"
        ) from error


_INPUTS = {"photos": "photos", "text": "tokens"}
"""The ``name`` of the inputs that each kind of data set needs, if any."""


def _resident(name: str, split: str, files: list[Path]) -> Images:
    if name == "digits":
        return digits(split)
    if name == "digits-c":
        return digits_c()
    if name == "cifar10-c":
        return cifar.read_cifar10c_selection(files)
    if name == "cifar10-c-whole":
        return cifar.read_cifar10c(files)
    if files[0].suffix == ".npz":
        return cifar.read_prepared(files[0], split)
    return cifar.read_archive(files, split)


def _streamed(
    name: str, split: str, record: Mapping[str, Any], inputs: Mapping[str, Any]
) -> Examples:
    wanted = _INPUTS[REGISTRY[name].kind]
    if inputs.get("name") != wanted:
        raise UserError(f"data set {name}: needs `inputs` named {wanted!r}; set them in the pool")
    if wanted == "photos":
        return load_photos(name, split, record, inputs)
    from sharpness.data.tokens import load_hans, load_mnli  # only here: the tokenizers take long

    return load_mnli(split, record, inputs) if name == "mnli" else load_hans(name, record, inputs)


BORDER = {"objectnet": 2}
"""Pixels cut from each side. ObjectNet's photos have a red frame of one pixel, against training on
them by accident; the published accuracies of the soups were measured with two cut away."""


def load_photos(
    name: str, split: str, record: Mapping[str, Any], inputs: Mapping[str, Any]
) -> Photos:
    """Open the photos of a split; they are decoded on demand.

    If ``record`` has a ``sample``, the training images are those of that list, in its order.
    ``inputs`` are ``recipe``, ``size``, ``threads`` and ``cache``, the folder of resized photos, if
    any; for ImageNet's shifts also ``classes``, the network's classes as WordNet ids in logit order
    (default: ImageNet-1k's).

    Raises:
        UserError: if the folder has changed since the record was made, or has no class of the
            network.
    """
    folder = Path(record["splits"][split]["folder"])
    if inputs["recipe"] not in RECIPES:
        raise UserError(f"recipe {inputs['recipe']!r} is unknown; one of {', '.join(RECIPES)}")
    labels, groups = _classes(name, record, inputs)
    files = _files(name, split, record, labels)
    kept = [file for file in files if _folder(file[0]) in labels]
    recipe = Recipe(inputs["recipe"], inputs["size"], BORDER.get(name, 0))
    file = f"{name}-{split}-{recipe.name}-{recipe.size}"
    cache = inputs.get("cache")
    return Photos(
        title=record["title"],
        folder=folder,
        files=kept,
        labels=torch.tensor([labels[_folder(name)] for name, _ in kept], dtype=torch.int64),
        groups=groups,
        recipe=recipe,
        threads=inputs.get("threads", 1),
        cache=PhotoCache(Path(cache), file, kept, recipe) if cache else None,
    )


def _classes(
    name: str, record: Mapping[str, Any], inputs: Mapping[str, Any]
) -> tuple[dict[str, int], Groups | None]:
    if name not in LAYOUTS:  # ImageNet itself: its training images define the classes
        return {wnid: label for label, wnid in enumerate(record["classes"])}, None
    try:
        network = inputs.get("classes") or imagenet_wnids()
        return labelled(record["classes"], LAYOUTS[name].naming, network)
    except UserError as problem:
        raise UserError(f"{record['folder']}: {problem}") from None


def _files(
    name: str, split: str, record: Mapping[str, Any], labels: Mapping[str, int]
) -> list[File]:
    """Return the images of a split with sizes: all of the record, or those of its sample."""
    part = record["splits"][split]
    folder = Path(part["folder"])
    sample = record.get("sample") if split == "train" else None
    listed = _sampled(Path(sample), labels) if sample else None
    try:
        files = list(sized(folder, _listed(name, folder, record) if listed is None else listed))
        if listed is None and digest_of(files) != (part["images"], part["digest"]):
            raise UserError(f"{folder}: has changed since it was found")
    except UserError as problem:
        raise UserError(f"{problem}; {relocate_advice(name)}") from None
    return files


def _listed(name: str, folder: Path, record: Mapping[str, Any]) -> list[str]:
    """Return the images of a folder, in the order of the digest in the record."""
    if name in LAYOUTS:
        return list(names(folder, record["classes"]))
    found = list(names(folder, subfolders(folder)))
    if name == "imagenet-2p":
        return select_images(found, held_out(Path(record["holdout"]["path"]), len(found)))
    return found


def _sampled(path: Path, labels: Mapping[str, int]) -> list[str]:
    """Return the images of a sample; raise UserError if a label is not that of the folder."""
    found = []
    for row in read_sample(path, PHOTOS):
        if str(labels.get(_folder(row["file"]))) != row["label"]:
            raise UserError(f"{path}: {row['file']} has label {row['label']!r}; {REMAKE}")
        found.append(row["file"])
    return found


def _folder(name: str) -> str:
    return name.partition("/")[0]
