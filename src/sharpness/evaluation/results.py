"""``pool.csv``, one row per model, and ``per_batch.csv``: the input of all tables and figures."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sharpness.evaluation.guard import ModelFiles, check_rows, remake_advice
from sharpness.evaluation.plan import BATCHES
from sharpness.io.csv_files import check_columns, read_frame
from sharpness.io.errors import REMAKE, UserError, reading
from sharpness.io.files import write_csv, write_frame

_OF_ERRORS = ("part", "data", "revision", "loss", "examples", "error")
_OF_CELLS = ("cell", "device", "value")


def assemble(
    models: pd.DataFrame,
    sources: Sequence[ModelFiles],
    wanted: Sequence[Mapping[str, Any]],
    titles: Mapping[str, str],
    max_test_error: float | None = None,
) -> pd.DataFrame:
    """Build the table of a pool from the files of its models.

    ``models`` holds ``model`` and hyper-parameters, and ``sources`` the files in the same order.
    ``wanted`` holds the settings of every cell, in canonical order, and ``titles`` the title of the
    data set of each part. A model whose test error is above the fraction ``max_test_error`` is
    excluded: it keeps its row, but without cells.

    Returns:
        model, status, reason, hyper-parameters, ``error_<part>`` for each part, ``loss_train``,
        ``examples_test``, the generalization gap of each (``gap`` for the test error,
        ``gap_<part>`` for others), and one column per cell. Unknown values are NaN.

    Raises:
        UserError: if a file is not of these models, cells and data sets, this revision of the code
            or this checkpoint.
    """
    if list(models["model"]) != [source.name for source in sources]:
        path = sources[0].home / "models.csv"
        raise UserError(f"{path}: its models are not those that are wanted; {remake_advice(path)}")
    read = [(s, _read(s.errors, *_OF_ERRORS), _read(s.sharpness, *_OF_CELLS)) for s in sources]
    for files in read:
        check_rows(*files, wanted, titles)
    _check_devices([(source, cells) for source, _, cells in read])
    rows = [_row(*files) for files in read]
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
    errors = [f"error_{part}" for part in parts]
    others = [name for name in ("loss_train", "examples_test") if name in table]
    return table[[*first, *parameters, *errors, *others, *gaps, *cells]]


def _exclude(table: pd.DataFrame, cells: Sequence[str], limit: float) -> None:
    wrong = table["error_test"] > limit
    table.loc[wrong, "status"] = "excluded"
    table.loc[wrong, "reason"] = [
        f"test error {100 * error:.1f} % is above {100 * limit:g} %"
        for error in table.loc[wrong, "error_test"]
    ]
    table.loc[wrong, list(cells)] = math.nan


def write_pool(table: pd.DataFrame, path: str | Path) -> None:
    """Write the table of a pool; equal values give equal bytes."""
    write_frame(path, table)


def write_per_batch(table: pd.DataFrame, sources: Iterable[ModelFiles], path: str | Path) -> None:
    """Write the value of every batch of every cell in the pool's ``table``, digits unchanged."""
    excluded = set(table.loc[table["status"] == "excluded", "model"])
    rows: list[dict[str, str]] = []
    for source in sources:
        if source.name not in excluded:
            found = _batches(source.per_batch)
            rows += [{"model": source.name, **row} for row in found]
    write_csv(path, rows, ["model", *BATCHES])


def _batches(path: Path) -> list[dict[str, str]]:
    """Return the rows of ``per_batch/<model>.csv``, unchanged."""
    with reading(path, REMAKE), path.open(encoding="utf-8-sig", newline="") as stream:
        header, *rows = csv.reader(stream, strict=True)
        if header != BATCHES or {len(row) for row in rows} - {len(BATCHES)}:
            raise UserError(f"{path}: is no table of {', '.join(BATCHES)}; {REMAKE}")
        return [dict(zip(header, row, strict=True)) for row in rows]


def _read(path: Path, *names: str) -> pd.DataFrame:
    """Read a CSV file and check its columns; the last of ``names`` must hold numbers."""
    frame = read_frame(path)
    check_columns(frame, path, (*names, "status", "reason", "checkpoint"), names[-1:])
    return frame


def _row(source: ModelFiles, errors: pd.DataFrame, cells: pd.DataFrame) -> dict[str, Any]:
    bad = cells[cells["status"] != "ok"]
    failed = bad["status"].iloc[0] if len(bad) == len(cells) else "ok"
    return {
        "model": source.name,
        "status": failed,
        "reason": bad["reason"].iloc[0] if failed != "ok" else "",
        **{f"error_{p}": e for p, e in zip(errors["part"], errors["error"], strict=True)},
        **{f"loss_{p}": x for p, x in zip(errors["part"], errors["loss"], strict=True)},
        **{f"examples_{p}": x for p, x in zip(errors["part"], errors["examples"], strict=True)},
        **dict(zip(cells["cell"], cells["value"], strict=True)),
    }


def _check_devices(measured: Iterable[tuple[ModelFiles, pd.DataFrame]]) -> None:
    """Raise UserError if models were measured on both CPU and GPU, which draw different noise."""
    found: dict[str, Path] = {}
    for source, cells in measured:
        for kind in cells["device"].dropna().unique():
            found.setdefault(kind, source.sharpness)
    if len(found) > 1:
        (one, first), (other, second) = sorted(found.items())[:2]
        raise UserError(
            f"{first}: was measured on {one}, {second} on {other}, whose noise is another; set "
            "`device` to one of them and run again"
        )
