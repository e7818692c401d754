"""The models of a job: trained and measured one way, on the data that a record locates."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

from sharpness.machine import compute_device
from sharpness.simple.small_networks.data import read
from sharpness.simple.small_networks.procedures import procedure_of


def rows(
    network: str,
    procedure: str,
    switches: Mapping[str, Any],
    record: Mapping[str, Any],
    base: int,
    models: Sequence[int],
    examples: int | None,
) -> Iterator[dict[str, Any]]:
    """A row for each model; none where the data are missing, whose record says why.

    Args:
        network: "fcnn", "lenet" or "gat".
        procedure: what the configuration calls the procedure.
        switches: all switches of the procedure.
        record: of the data set, as `sharpness.data.locate` gives it.
        base: of the seeds.
        models: their numbers.
        examples: how many of the training examples are used; None is all.
    """
    if record["status"] != "present":
        print(f"{record['title']} is missing, no model is trained", file=sys.stderr)
        return
    compute_device("cpu")
    data = read(network, record, examples)
    measured = import_module(f"sharpness.simple.small_networks.{network}.pool").measured
    chosen = procedure_of(network, "text", switches)
    for row in measured(data, chosen, base, models):
        yield {"network": network, "procedure": procedure, "base": base, **row}
