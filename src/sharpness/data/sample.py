"""Samples of training examples, where a training set is too large to use all.

There is one seeded list per data set: all of its examples give the training error, the first of
them the sharpness. The order is that of SHA-256 of seed and name; it does not depend on the
platform, a library's generator or the other examples.
"""

from __future__ import annotations

import csv
import hashlib
import heapq
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sharpness.data.class_folders import names
from sharpness.data.imagenet import held_out, select_images
from sharpness.data.nli import mnli_lines
from sharpness.data.registry import relocate_advice
from sharpness.io.errors import UserError, reading
from sharpness.io.files import write_csv

REVISION = 1
"""Increase it when the choice of examples changes: all samples are drawn again."""
PHOTOS = ("file", "label")
"""Columns of a list of photos: ``class/name`` in the training folder, and the logit."""
SENTENCES = ("line", "label")
"""Columns of a list of sentences: the line in the training file, and the gold label."""
REDRAWN = "remove it and run again"
"""Advice for a list that does not fit."""


def write_sample(
    path: str | Path, name: str, record: Mapping[str, Any], examples: int, seed: int
) -> None:
    """Write the list of sampled training examples as CSV, in seeded order.

    The list has at most ``examples`` of ``imagenet`` or ``mnli``, without those held out by the
    record's ``holdout``; for a missing data set it has only a header.

    Raises:
        UserError: if the examples are not where the record says.
    """
    columns, rows = (SENTENCES, mnli_lines) if name == "mnli" else (PHOTOS, _photos)
    present = record["status"] == "present"
    try:
        chosen = draw_sample(rows(record) if present else (), columns[0], examples, seed)
    except OSError as error:
        where = error.filename or f"data set {name}"
        raise UserError(
            f"{where}: {error.strerror or error}; put it back, or {relocate_advice(name)}"
        ) from error
    write_csv(path, chosen, columns)


def read_sample(path: str | Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read a sample list; raise UserError if it is unreadable, empty or has other columns."""
    with reading(path, REDRAWN), open(path, encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        rows = list(reader)
    whole = all(None not in row and None not in row.values() for row in rows)
    if tuple(reader.fieldnames or ()) != tuple(columns) or not rows or not whole:
        raise UserError(f"{path}: is no list of {', '.join(columns)}; {REDRAWN}")
    return rows


def draw_sample(
    rows: Iterable[Mapping[str, Any]], key: str, examples: int, seed: int
) -> list[Mapping[str, Any]]:
    """Draw rows in seeded order; the rank of a row depends only on its key and the seed."""

    def rank(row: Mapping[str, Any]) -> bytes:
        return hashlib.sha256(f"{seed}/{row[key]}".encode()).digest()

    return heapq.nsmallest(examples, rows, key=rank)


def _photos(record: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """Return every training image that is not held out."""
    classes = record["classes"]
    found = list(names(Path(record["splits"]["train"]["folder"]), classes))
    if record["holdout"]:
        found = select_images(found, ~held_out(Path(record["holdout"]["path"]), len(found)))
    labels = {wnid: label for label, wnid in enumerate(classes)}
    return ({"file": name, "label": labels[name.partition("/")[0]]} for name in found)
