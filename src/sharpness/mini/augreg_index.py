"""Stand-in for AugReg's ``index.csv``: the same columns, with the accuracies of stand-in models.

What is not known of a stand-in, such as its accuracy in pre-training, is empty. Needs no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sharpness.checkpoints.table import PublishedModel
from sharpness.evaluation.augreg_index import ACCURACY, COLUMNS, FILE, file_stem
from sharpness.io.files import write_csv


def write_index(
    path: str | Path, members: Iterable[PublishedModel], errors: Mapping[str, float]
) -> None:
    """Write the index of stand-in models; ``errors`` are their test errors, by model."""
    rows = [_row(member, errors[member.model]) for member in members if member.model in errors]
    write_csv(path, [dict.fromkeys(COLUMNS, "") | row for row in rows], COLUMNS)


def _row(member: PublishedModel, error: float) -> dict[str, Any]:
    row, stem = member.parameters, file_stem(member)
    return {
        "name": "B/16",
        "ds": row["pretraining"],
        "lr": 0.001,
        "aug": row["augmentation_level"],
        "wd": row["weight_decay"],
        "do": row["dropout"],
        "sd": row["stochastic_depth"],
        "adapt_ds": "imagenet2012",
        "adapt_lr": row["learning_rate"],
        "adapt_steps": 20_000,
        "adapt_resolution": 224,
        ACCURACY: 1 - error,
        "filename": stem.partition("--")[0],
        FILE: stem,
    }
