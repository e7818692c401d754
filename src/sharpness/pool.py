"""``pool.csv``: one row per model, with all that tables and figures need."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sharpness.files import sha256, write_text
from sharpness.frames import check_columns, read_frame
from sharpness.problem import Problem

_OF_CELLS = ("cell", "device", "value")

FLOATS = "%.9g"
"""Digits that give a float32 back."""


@dataclass(frozen=True)
class Sources:
    """The files that one model's row is made from.

    Attributes:
        name: of the model.
        errors: its ``errors/<model>.csv``.
        sharpness: its ``sharpness/<model>.csv``.
        checkpoint: its weights.
        evaluated: what the job that measured it says of it.
    """

    name: str
    errors: Path
    sharpness: Path
    checkpoint: Path
    evaluated: Path


def assemble(
    models: pd.DataFrame,
    sources: Iterable[Sources],
    wanted: Sequence[Mapping[str, Any]],
    max_test_error: float | None = None,
) -> pd.DataFrame:
    """The table of a pool.

    Args:
        models: one row per model: ``model`` and its hyper-parameters.
        sources: the files of each model, in the order of ``models``.
        wanted: the settings of every cell, in canonical order.
        max_test_error: models whose test error is above this fraction are excluded: they keep
            their row, with no cell in it. None excludes none.

    Returns:
        model, status, reason, hyper-parameters, ``error_<part>`` for each part, the generalization
        gap that belongs to each (``gap`` for the test error, ``gap_<part>`` for others), and one
        column per cell. What is not known is NaN.

    Raises:
        Problem: if a file is not of these cells, this revision of the code or this checkpoint.
    """
    read = [(s, _read(s.errors, "part", "error"), _read(s.sharpness, *_OF_CELLS)) for s in sources]
    _check_devices([(source, cells) for source, _, cells in read])
    rows = [_row(*files, wanted) for files in read]
    table = models.merge(pd.DataFrame(rows), on="model", how="left", validate="one_to_one")
    first = ["model", "status", "reason"]
    parts = [c.removeprefix("error_") for c in table.columns if c.startswith("error_")]
    parameters = [c for c in models.columns if c != "model"]
    cells = [str(row["cell"]) for row in wanted]
    if max_test_error is not None and "error_test" in table:
        _exclude(table, cells, max_test_error)
    gaps = {"gap" if part == "test" else f"gap_{part}": part for part in parts if part != "train"}
    for name, part in gaps.items():
        table[name] = table[f"error_{part}"] - table.get("error_train", math.nan)
    return table[[*first, *parameters, *(f"error_{part}" for part in parts), *gaps, *cells]]


def _exclude(table: pd.DataFrame, cells: Sequence[str], limit: float) -> None:
    """Blank the models that are too wrong to be asked about."""
    wrong = table["error_test"] > limit
    table.loc[wrong, "status"] = "excluded"
    table.loc[wrong, "reason"] = [
        f"test error {100 * error:.1f} % is above {100 * limit:g} %"
        for error in table.loc[wrong, "error_test"]
    ]
    table.loc[wrong, list(cells)] = math.nan


def write_pool(table: pd.DataFrame, path: str | Path) -> None:
    """Write the table of a pool, the same bytes for the same values."""
    write_text(path, table.to_csv(index=False, float_format=FLOATS, lineterminator="\n"))


def _read(path: Path, *names: str) -> pd.DataFrame:
    """A file of rows; the last of the named columns holds numbers."""
    frame = read_frame(path)
    check_columns(frame, path, (*names, "status", "reason", "checkpoint"), names[-1:])
    return frame


def _row(
    source: Sources, errors: pd.DataFrame, cells: pd.DataFrame, wanted: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    _check(source, errors, cells, wanted)
    bad = cells[cells["status"] != "ok"]
    failed = bad["status"].iloc[0] if len(bad) == len(cells) else "ok"
    return {
        "model": source.name,
        "status": failed,
        "reason": bad["reason"].iloc[0] if failed != "ok" else "",
        **{
            f"error_{part}": error
            for part, error in zip(errors["part"], errors["error"], strict=True)
        },
        **dict(zip(cells["cell"], cells["value"], strict=True)),
    }


def _check_devices(measured: Iterable[tuple[Sources, pd.DataFrame]]) -> None:
    """Refuse to compare models under different noise: a CPU and a GPU draw it differently."""
    found: dict[str, Path] = {}
    for source, cells in measured:
        for kind in cells["device"].dropna().unique():
            found.setdefault(kind, source.sharpness)
    if len(found) > 1:
        (one, first), (other, second) = sorted(found.items())[:2]
        raise Problem(
            f"{first}: was measured on {one}, {second} on {other}, whose noise is another; set "
            "`device` to one of them and run again"
        )


def _check(
    source: Sources, errors: pd.DataFrame, cells: pd.DataFrame, wanted: Sequence[Mapping[str, Any]]
) -> None:
    """Refuse a file that Snakemake takes for fresh but that is not (lost metadata, ``--touch``)."""
    mend = f"remove it and run again: rm {source.evaluated} {source.sharpness} {source.errors}"
    settings = [name for name in wanted[0] if name in cells]
    have = cells[settings].to_dict("records")
    for row, want in zip(have, wanted, strict=False):
        for name in settings:
            if not _same(row[name], want[name]):
                line = f"{name} of {want['cell']} is {row[name]}, wanted is {want[name]}"
                raise Problem(f"{source.sharpness}: {line}; {mend}")
    if len(have) != len(wanted):
        raise Problem(f"{source.sharpness}: {len(have)} cells, wanted are {len(wanted)}; {mend}")
    digest = sha256(source.checkpoint)[:16]
    for path, table in ((source.errors, errors), (source.sharpness, cells)):
        if set(table["checkpoint"].dropna()) - {digest}:
            raise Problem(f"{path}: it is of another checkpoint than {source.checkpoint}; {mend}")


def _same(have: Any, want: Any) -> bool:
    return pd.isna(have) if want is None else have == want
