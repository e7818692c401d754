"""The networks whose data are missing, and why."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sharpness.data.records import read_record
from sharpness.simple.small_networks.procedures import DATA


def missing(records: Iterable[str | Path]) -> dict[str, str]:
    """The reason for each network without data, in the published order.

    Args:
        records: of the data sets, as `sharpness.data.places.locate` gives them.
    """
    found = {record["name"]: record for record in map(read_record, records)}
    absent = {name: r["reason"] for name, r in found.items() if r["status"] != "present"}
    return {network: absent[data] for network, data in DATA.items() if data in absent}
