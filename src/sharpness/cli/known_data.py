"""Records of known data sets for a single measurement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sharpness.data.locate import locate
from sharpness.data.registry import REGISTRY, SOURCES
from sharpness.io.errors import UserError
from sharpness.sources.grammar import parse_data


def record_of(data: str, places: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the record of a known data set, fetched if necessary; None for other data.

    Raises:
        UserError: if it has no training examples, is got by hand, or cannot be fetched.
    """
    scheme, name = parse_data(data)
    if scheme:
        return None
    entry = REGISTRY[name]
    source = SOURCES.get(entry.source or "")
    if "train" not in entry.splits:
        raise UserError(f"{name}: has no training examples; sharpness is measured on those")
    if source is not None and not source.published:
        raise UserError(f"{name}: is got by hand; name its folder: imagefolder:PATH")
    unnamed = {"file": None, "folder": None, "holdout": None, "standin": None}
    return locate(name, {**unnamed, **places})
