"""Table of a pool of the user's own models, one row each. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sharpness.checkpoints.table import check_header, check_name, fraction, value
from sharpness.io.errors import UserError
from sharpness.io.files import expanded, read_rows
from sharpness.measures.measurement import is_measured
from sharpness.sources import ADDED
from sharpness.sources.grammar import MODULE, ModelSource, as_argument, parse_model

COLUMNS = ("model", "source", "checkpoint", "key", "revision", "checksum", "pretrained")
"""Columns with a meaning; ``error_NAME`` is an error rate, and any other a hyper-parameter."""
ERROR = "error_"

_TAKEN = (*ADDED, "status", "reason", "gap", "loss_train", "examples_test")
"""Columns that ``pool.csv`` adds."""

_YES = {"": False, "no": False, "false": False, "0": False, "yes": True, "true": True, "1": True}


@dataclass(frozen=True)
class OwnModel:
    """One model of the user's own.

    Attributes:
        model: its name; ``checkpoints.table.stem`` turns it into the name of its files.
        source: where it comes from.
        parameters: its hyper-parameters.
        errors: given error rates, by the name of the data.
    """

    model: str
    source: ModelSource
    parameters: Mapping[str, str | float | int]
    errors: Mapping[str, float]


def read_own_table(path: str | Path) -> list[OwnModel]:
    """Read the models of a table with the columns ``model``, ``source`` and any of `COLUMNS`.

    Where weights are random, a column ``seed`` is their seed. Paths are relative to the working
    folder.

    Raises:
        UserError: naming the table, and the row or column that is wrong.
    """
    header, rows = read_rows(path)
    check_header(header, path)
    for name in ("model", "source"):
        if name not in header:
            raise UserError(f"{path}: has no column {name!r}; it needs model and source")
    for name in header:
        if name in _TAKEN or name.startswith("gap_") or is_measured(name):
            raise UserError(f"{path}: column {name!r} is one of pool.csv; rename it")
    found: dict[str, OwnModel] = {}
    sources: dict[str, str] = {}
    for number, cells in enumerate(rows, start=2):
        where = f"{path}: row {number}"
        own = _model(dict(zip(header, map(str.strip, cells), strict=True)), where)
        if own.model in found:
            raise UserError(f"{where}: model {own.model} is there twice; names are unique")
        if (other := sources.setdefault(repr(own.source), own.model)) != own.model:
            raise UserError(f"{where}: {own.model} is the same model as {other}; name it once")
        found[own.model] = own
    if not found:
        raise UserError(f"{path}: has no rows; give it one for each model")
    return list(found.values())


def _model(row: dict[str, str], where: str) -> OwnModel:
    name = row.pop("model")
    check_name(name, where)
    given = {column: row.pop(column, "") for column in COLUMNS[1:]}
    if (word := given["pretrained"].lower()) not in _YES:
        raise UserError(f"{where}: pretrained is {word!r}; it is yes, no or empty")
    stated = {column: row.pop(column) for column in [c for c in row if c.startswith(ERROR)]}
    errors = {
        column.removeprefix(ERROR): fraction(text, f"{where}: {column}")
        for column, text in stated.items()
        if text
    }
    parameters = {column: value(text, f"{where}: {column}") for column, text in row.items()}
    try:
        source = _source({**given, "pretrained": _YES[word]}, parameters)
    except UserError as problem:
        raise UserError(f"{where}: {problem}") from None
    return OwnModel(name, source, parameters, errors)


def _source(given: Mapping[str, Any], parameters: Mapping[str, Any]) -> ModelSource:
    scheme, _ = parse_model(given["source"])
    path = given["checkpoint"]
    checkpoint = path if path.startswith("https://") else expanded(path)
    weighted = bool(checkpoint or given["pretrained"])
    seed = 0 if weighted else parameters.get("seed", 0)
    if not isinstance(seed, int) or seed < 0:
        raise UserError(f"seed is {seed!r}; it is a whole number from 0")
    passed = (
        {k: as_argument(v) for k, v in parameters.items() if v != ""} if scheme == MODULE else {}
    )
    return ModelSource(**{**given, "checkpoint": checkpoint}, seed=seed, arguments=passed)
