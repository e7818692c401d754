"""The data of each network, whole or a part of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sharpness.data import abalone, fashion_mnist, planetoid
from sharpness.data.pickles import pinned


def read(network: str, record: Mapping[str, Any], examples: int | None) -> Any:
    """What a network is trained and tested on.

    Args:
        network: "fcnn", "lenet" or "gat".
        record: of its data set, as `sharpness.data.places.locate` gives it.
        examples: the first so many are used, of Fashion-MNIST's training and of its test images
            alike; None is all. A graph is always whole.
    """
    files = [Path(entry["path"]) for entry in record["files"]]
    if network == "gat":
        return planetoid.read(files, pinned(record))
    if network == "fcnn":
        table = abalone.read(files)
        return replace(table, features=table.features[:examples], rings=table.rings[:examples])
    images = fashion_mnist.read(files)
    return replace(
        images,
        train_images=images.train_images[:examples],
        train_labels=images.train_labels[:examples],
        test_images=images.test_images[:examples],
        test_labels=images.test_labels[:examples],
    )
