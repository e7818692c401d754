"""Open the data set that a record of `locate.locate` describes."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sharpness.data import cifar
from sharpness.data.batches import Examples
from sharpness.data.images import Images
from sharpness.data.registry import REGISTRY, relocate_advice
from sharpness.data.small import digits, digits_c
from sharpness.io.errors import UserError


def load_dataset(
    name: str, split: str, record: Mapping[str, Any], inputs: Mapping[str, Any] | None = None
) -> Examples:
    """Open a data set: photos are decoded on demand, all others are read into memory.

    Args:
        name: a key of `sharpness.data.registry.REGISTRY`.
        split: ``train`` or ``test``; most data sets have only ``test``.
        record: from `locate` for this name. If it has ``sample``, the path of a list by
            `sharpness.data.sample.write_sample`, the training examples of ImageNet and MNLI are
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
    """Open photos or sentences; their modules are imported only when needed."""
    wanted = _INPUTS[REGISTRY[name].kind]
    if inputs.get("name") != wanted:
        raise UserError(f"data set {name}: needs `inputs` named {wanted!r}; set them in the pool")
    if wanted == "photos":
        from sharpness.data.photos import load_photos

        return load_photos(name, split, record, inputs)
    from sharpness.data.tokens import load_hans, load_mnli

    return load_mnli(split, record, inputs) if name == "mnli" else load_hans(name, record, inputs)
