"""The table of a pool of the user's own models, from their checkpoints. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sharpness.evaluation.guard import checkpoint_metadata
from sharpness.io.errors import REMAKE, UserError
from sharpness.io.files import write_csv
from sharpness.sources import ADDED, CLASSES, ORIGIN


def write_own_models(
    parameters: Mapping[str, Mapping[str, Any]], checkpoints: Sequence[str | Path], path: str | Path
) -> None:
    """Write names, hyper-parameters and `ADDED` of a pool's models as CSV.

    ``parameters`` holds the hyper-parameters of each model; ``checkpoints`` are in the same order.

    Raises:
        UserError: if two checkpoints have the same weights, or one is no own model's.
    """
    rows: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for (name, own), checkpoint in zip(parameters.items(), checkpoints, strict=True):
        said = checkpoint_metadata(Path(checkpoint))
        if absent := [key for key in ("weights", "origin", "classes") if key not in said]:
            raise UserError(f"{checkpoint}: its metadata has no {absent[0]!r}; {REMAKE}")
        if (other := names.setdefault(said["weights"], name)) != name:
            raise UserError(
                f"{name} has the same weights as {other}, to the bit; name a model once in the "
                "table, or give each its checkpoint"
            )
        rows.append({"model": name, **own, ORIGIN: said["origin"], CLASSES: said["classes"]})
    columns = dict.fromkeys(key for row in rows for key in row if key not in ADDED)
    write_csv(path, rows, [*columns, *ADDED])
