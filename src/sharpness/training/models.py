"""``models.csv``: what was drawn for each model of a sweep. Needs no torch."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sharpness.files import write_csv
from sharpness.problem import Problem
from sharpness.reading import readable
from sharpness.training.draw import Hyperparameters, draw
from sharpness.training.settings import Space

COLUMNS = ["model", "learning_rate", "sam_rho", "mixup", "augment"]


def write_models(names: Sequence[str], seed: int, space: Space, path: str | Path) -> None:
    """Draw every model of a sweep and write one row each."""
    rows = []
    for index, name in enumerate(names):
        drawn = asdict(draw(seed, index, space))
        rows.append({"model": name, **drawn, **{k: int(drawn[k]) for k in ("mixup", "augment")}})
    write_csv(path, rows, COLUMNS)


def read_models(path: str | Path) -> dict[str, tuple[int, Hyperparameters]]:
    """The index and the hyper-parameters of each model.

    Raises:
        Problem: naming the file and the model whose row does not hold them.
    """
    with readable(path, "remove it and run again"), open(path, newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {str(row.get("model")): (i, _parsed(row, path)) for i, row in enumerate(rows)}


def _parsed(row: Mapping[str, Any], path: str | Path) -> Hyperparameters:
    try:
        return Hyperparameters(
            float(row["learning_rate"]),
            float(row["sam_rho"]),
            bool(int(row["mixup"])),
            bool(int(row["augment"])),
        )
    except (KeyError, TypeError, ValueError) as error:
        model = row.get("model")
        raise Problem(f"{path}: the row of {model!r} is not {', '.join(COLUMNS)}") from error
