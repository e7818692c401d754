"""Trains and measures the models of one job, or reads them where they are finished."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from sharpness.data import small
from sharpness.data.locate import pinned
from sharpness.io.files import digest, read_json, write_json
from sharpness.io.job import compute_device
from sharpness.studies.hammoud.fcnn import train_and_measure_fcnn
from sharpness.studies.hammoud.gat_models import train_and_measure_gat
from sharpness.studies.hammoud.lenet import train_and_measure_lenet
from sharpness.studies.hammoud.procedures import REVISION, procedure_of


def read_examples(network: str, record: Mapping[str, Any], examples: int | None) -> Any:
    """Load the data set of a network from the files of its record (`sharpness.data.locate.locate`).

    Only the first ``examples`` rows are kept, of Fashion-MNIST's training and of its test images
    alike; None keeps all. A graph is always whole.
    """
    files = [Path(entry["path"]) for entry in record["files"]]
    if network == "gat":
        return small.read_planetoid(files, pinned(record))
    read: Callable[..., Any] = small.read_abalone if network == "fcnn" else small.read_fashion_mnist
    data = read(files)
    return replace(data, **{name: rows[:examples] for name, rows in vars(data).items()})


_MEASURED: Mapping[str, Callable[..., Iterator[dict[str, Any]]]] = {
    "fcnn": train_and_measure_fcnn,
    "gat": train_and_measure_gat,
    "lenet": train_and_measure_lenet,
}

ALONE = ("lenet",)
"""Networks whose models are trained one by one; those of others are trained in stacks."""


def model_rows(
    network: str,
    procedure: str,
    switches: Mapping[str, Any],
    record: Mapping[str, Any],
    base: int,
    models: Sequence[int],
    examples: int | None,
    state: str | Path,
) -> Iterator[dict[str, Any]]:
    """Yield a row of `hammoud.COLUMNS` for each model; none if the record says data are missing.

    ``procedure`` is a name in the configuration, ``switches`` are all its switches. ``record`` and
    ``examples`` are as for `read_examples`. The folder ``state`` keeps finished models, one file
    for those that are trained together.
    """
    if record["status"] != "present":
        print(f"{record['title']} is missing, no model is trained", file=sys.stderr)
        return
    compute_device("cpu")
    data = cache(lambda: read_examples(network, record, examples))
    chosen = procedure_of(network, "text", switches)
    for together in [[model] for model in models] if network in ALONE else [list(models)]:
        identity = {
            **{"network": network, "switches": dict(switches), "base": base, "models": together},
            **{"examples": examples, "revision": REVISION},
            "data": [file["sha256"] for file in record["files"]],
        }
        path = Path(state) / f"{network}-{digest(identity)}.json"
        if not path.exists():
            write_json(path, list(_MEASURED[network](data(), chosen, base, together)))
        for row in read_json(path):
            yield {"network": network, "procedure": procedure, "base": base, **row}
