"""All data sets of the project: their names, and the sources of their files. Needs no torch.

A *source* is one archive or some files; several data sets may be parts of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sharpness.io.errors import UserError

Kind = Literal["digits", "cifar", "photos", "text", "arrays"]


@dataclass(frozen=True)
class Source:
    """One archive or some files that the user provides or that are downloaded.

    Attributes:
        takes: keys of ``data.<source>`` under which the user may name a copy.
        published: whether it can be downloaded; then it has rows in ``downloads.csv``.
        advice: how to get it if it cannot be downloaded.
        rows: of ``downloads.csv``, in the order of the record's files; empty means the source's
            name.
    """

    takes: tuple[str, ...]
    published: bool = True
    advice: str = ""
    rows: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataSet:
    """One data set, with its ``title`` in tables and figures.

    Attributes:
        kind: how it is read; ``arrays`` are read whole by a module of their own, not by `load`.
        source: key of `SOURCES`; None if it ships with a package.
        splits: those that `load` opens.
    """

    title: str
    kind: Kind
    source: str | None
    splits: tuple[str, ...] = ("test",)


BOTH = ("train", "test")
_CORA = ("x", "y", "tx", "ty", "allx", "ally", "graph", "test-index")

SOURCES: dict[str, Source] = {
    "cifar10": Source(("file", "folder")),
    "cifar10-c": Source(("file", "folder")),
    "imagenet": Source(
        ("folder",),
        published=False,
        advice="register at https://image-net.org, and put train/ and val/ there, or "
        "ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar and ILSVRC2012_devkit_t12.tar.gz",
    ),
    "imagenet-v2": Source(("file", "folder")),
    "imagenet-r": Source(("file", "folder")),
    "imagenet-a": Source(("file", "folder")),
    "imagenet-sketch": Source(
        ("file", "folder"),
        published=False,
        advice="ImageNet-Sketch.zip is linked from https://github.com/HaohanWang/ImageNet-Sketch",
    ),
    "objectnet": Source(
        ("folder",),
        published=False,
        advice="accept the terms at https://objectnet.dev, which shows the password of "
        "objectnet-1.0.zip, and unzip it there",
    ),
    "mnli": Source(("file", "folder")),
    "hans": Source(("file",)),
    "bert-vocabulary": Source(("file",)),
    "abalone": Source(("file",)),
    "fashion-mnist": Source(
        ("folder",),
        rows=tuple(
            f"fashion-mnist-{part}-{content}" for part in BOTH for content in ("images", "labels")
        ),
    ),
    "cora": Source(
        ("folder",),
        rows=tuple(f"cora-{part}" for part in _CORA),
    ),
}

REGISTRY: dict[str, DataSet] = {
    "digits": DataSet("digits", "digits", None, BOTH),
    "digits-c": DataSet("digits-c", "digits", None),
    "cifar10": DataSet("CIFAR-10", "cifar", "cifar10", BOTH),
    "cifar10-c": DataSet("CIFAR-10-C", "cifar", "cifar10-c"),
    "cifar10-c-whole": DataSet("CIFAR-10-C (all severities)", "cifar", "cifar10-c"),
    "imagenet": DataSet("ImageNet", "photos", "imagenet", BOTH),
    "imagenet-2p": DataSet("ImageNet hold-out", "photos", "imagenet"),
    "imagenet-v2": DataSet("ImageNet-V2", "photos", "imagenet-v2"),
    "imagenet-r": DataSet("ImageNet-R", "photos", "imagenet-r"),
    "imagenet-a": DataSet("ImageNet-A", "photos", "imagenet-a"),
    "imagenet-sketch": DataSet("ImageNet-Sketch", "photos", "imagenet-sketch"),
    "objectnet": DataSet("ObjectNet", "photos", "objectnet"),
    "mnli": DataSet("MNLI", "text", "mnli", BOTH),
    "hans-lexical": DataSet("HANS (lexical overlap)", "text", "hans"),
    "hans-subsequence": DataSet("HANS (subsequence)", "text", "hans"),
    "hans-constituent": DataSet("HANS (constituent)", "text", "hans"),
    "bert-vocabulary": DataSet("BERT's uncased vocabulary", "text", "bert-vocabulary", ()),
    "abalone": DataSet("Abalone", "arrays", "abalone", ()),
    "fashion-mnist": DataSet("Fashion-MNIST", "arrays", "fashion-mnist", ()),
    "cora": DataSet("Cora", "arrays", "cora", ()),
}


def downloads(source: str) -> tuple[str, ...]:
    """Return the rows of ``downloads.csv`` of a source; empty if it cannot be downloaded."""
    found = SOURCES[source]
    return (found.rows or (source,)) if found.published else ()


def user_copy_key(source: str, given: Mapping[str, Any]) -> str | None:
    """Return the key under which the user names a copy: ``file``, ``folder`` or None.

    Raises:
        UserError: if the source does not take this key, or two copies are named.
    """
    takes = SOURCES[source].takes
    keys = [key for key in ("file", "folder") if given.get(key)]
    if len(keys) == 2 or not set(keys) <= set(takes):
        raise UserError(f"data.{source}: name one copy: its {' or '.join(takes)}")
    if given.get("holdout") and source != "imagenet":
        raise UserError(f"data.{source}.holdout: only imagenet has one; remove it")
    return keys[0] if keys else None


def relocate_advice(name: str) -> str:
    """Return the advice on how to locate a data set again, for error messages."""
    return f"remove data/{name}.json in the results folder and run again"


TITLES = {name: entry.title for name, entry in REGISTRY.items()}
