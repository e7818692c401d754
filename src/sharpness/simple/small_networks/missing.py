"""The networks whose data are missing, and why; those whose data are stand-ins."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sharpness.data.records import read_record
from sharpness.simple.small_networks.procedures import DATA
from sharpness.simple.small_networks.published import PUBLISHED


def missing(records: Iterable[str | Path]) -> dict[str, str]:
    """The reason for each network without data, in the published order.

    Args:
        records: of the data sets, as `sharpness.data.places.locate` gives them.
    """
    found = {record["name"]: record for record in map(read_record, records)}
    absent = {name: r["reason"] for name, r in found.items() if r["status"] != "present"}
    return {network: absent[data] for network, data in DATA.items() if data in absent}


def titles(records: Iterable[str | Path]) -> dict[str, str]:
    """Each network and its data set, and whether that is a stand-in.

    Args:
        records: of the data sets.
    """
    made = {record["name"] for record in map(read_record, records) if "standin" in record}
    return {
        network: f"{published.title}{' (stand-in)' * (DATA[network] in made)}"
        for network, published in PUBLISHED.items()
    }
