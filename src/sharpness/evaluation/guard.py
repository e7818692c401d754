"""Refuses files that were made for other settings than those of now. Needs no torch.

Where Snakemake's own memory is lost, or ``--touch`` overruled it, it takes such files for fresh. So
the rule that makes ``pool.csv`` compares what the files say of themselves with what is wanted.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors import SafetensorError, safe_open

from sharpness.evaluation.plan import REVISION
from sharpness.io.errors import UserError
from sharpness.io.files import sha256
from sharpness.training.hyperparameters import Space, draw_hyperparameters
from sharpness.training.records import KEY, read_training

_FIRST = {"revision": 1}
"""Of a record or checkpoint that names no revision."""


@dataclass(frozen=True)
class Sources:
    """The files that one model's row is made from; they lie in folders of the pool's folder.

    Attributes:
        name: of the model.
        errors: its ``errors/<model>.csv``.
        sharpness: its ``sharpness/<model>.csv``.
        per_batch: its ``per_batch/<model>.csv``.
        checkpoint: its weights.
    """

    name: str
    errors: Path
    sharpness: Path
    per_batch: Path
    checkpoint: Path

    @property
    def home(self) -> Path:
        """The pool's folder."""
        return self.checkpoint.parents[1]


def remake(*gone: Path) -> str:
    """What to do so that files are made anew; finished cells and epochs lie elsewhere."""
    return f"remove it and run again: rm -rf {shlex.join(map(str, gone))}"


def check_trainings(
    sources: Iterable[Sources], records: Iterable[str | Path], wanted: Mapping[str, Any]
) -> None:
    """Refuse trainings with other settings, and weights that are of another training.

    Args:
        sources: the files of each model of a sweep, in the sweep's order.
        records: of their trainings.
        wanted: what a record says of all its models (``seed``, ``settings``, ``architecture``,
            ``data``, ``revision``), and ``space``, from which each is drawn.

    Raises:
        UserError: naming the file, what differs, and the command that remakes it.
    """
    space = Space(**wanted["space"])
    shared = {key: value for key, value in wanted.items() if key != "space"}
    for index, (source, path) in enumerate(zip(sources, records, strict=True)):
        drawn = {
            "index": index,
            "hyperparameters": asdict(draw_hyperparameters(wanted["seed"], index, space)),
        }
        record = _FIRST | read_training(path)
        names = ("models.csv", "trained", "training", "checkpoints")
        mend = remake(*(source.home / name for name in names))
        if found := _difference(record, shared | drawn):
            raise UserError(f"{path}: {found}; {mend}")
        if found := _difference(_metadata(source.checkpoint), {"training": record.get("digest")}):
            raise UserError(f"{source.checkpoint}: {found}; {mend}")


def check_conversions(sources: Sequence[Sources], wanted: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse weights that were converted from another file, or in another way.

    Args:
        sources: the files of each published model.
        wanted: for each model, what the metadata of its weights says.

    Raises:
        UserError: naming the first such file, what differs, and the command that remakes all.
    """
    wrong = {}
    for source in sources:
        said = _FIRST | _metadata(source.checkpoint)
        if found := _difference(said, wanted[source.name]):
            wrong[source] = found
    if not wrong:
        return
    first, found = next(iter(wrong.items()))
    all_of_them = len(wrong) == len(sources)  # ten at most otherwise, so that the line stays short
    gone = [first.home / "checkpoints"] if all_of_them else [s.checkpoint for s in [*wrong][:10]]
    if wanted[first.name]["standin"]:
        gone.append(first.home.parent / "standin" / f"{first.home.name}.csv")
    raise UserError(f"{first.checkpoint}: {found}; {remake(first.home / 'models.csv', *gone)}")


def check_rows(
    source: Sources,
    errors: pd.DataFrame,
    cells: pd.DataFrame,
    wanted: Sequence[Mapping[str, Any]],
    titles: Mapping[str, str],
) -> None:
    """Refuse errors and cells of other settings, another revision or other weights.

    Args:
        source: the files of a model.
        errors: its errors.
        cells: its cells.
        wanted: the settings of every cell, in canonical order.
        titles: of the data set of each part.

    Raises:
        UserError: naming the file, what differs, and the command that remakes it.
    """
    folders = ("evaluated", "errors", "sharpness", "per_batch")
    mend = remake(*(source.home / name for name in folders))
    settings = [name for name in wanted[0] if name in cells]
    have = cells[settings].to_dict("records")
    for row, want in zip(have, wanted, strict=False):
        for name in settings:
            if not _same(row[name], want[name]):
                line = f"{name} of {want['cell']} is {row[name]}, wanted is {want[name]}"
                raise UserError(f"{source.sharpness}: {line}; {mend}")
    if len(have) != len(wanted):
        raise UserError(f"{source.sharpness}: {len(have)} cells, wanted are {len(wanted)}; {mend}")
    data = dict(zip(errors["part"], errors["data"].fillna(""), strict=True))
    said = {
        "parts": sorted(map(str, data)),
        "data": {p: t or titles.get(p) for p, t in data.items()},
    }
    if found := _difference(said, {"parts": sorted(titles), "data": titles}):
        raise UserError(f"{source.errors}: {found}; {mend}")
    if others := set(errors["revision"].dropna()) - {REVISION}:
        found = f"revision is {others.pop()}, wanted is {REVISION}"
        raise UserError(f"{source.errors}: {found}; {mend}")
    digest = sha256(source.checkpoint)[:16]
    for path, table in ((source.errors, errors), (source.sharpness, cells)):
        if set(table["checkpoint"].dropna()) - {digest}:
            raise UserError(f"{path}: it is of another checkpoint than {source.checkpoint}; {mend}")


def _metadata(path: Path) -> dict[str, Any]:
    """What a checkpoint says of itself; nothing if it is not one of this project's."""
    try:
        with safe_open(path, "numpy") as stream:
            return dict(json.loads(stream.metadata()[KEY]))
    except (SafetensorError, TypeError, KeyError, ValueError):
        return {}


def _difference(have: Any, wanted: Mapping[str, Any]) -> str:
    """The first key that is not as it is wanted, in words; empty if there is none.

    What else ``have`` says is not looked at: sizes of a network that the data fix, for example.
    """
    for key, want in wanted.items():
        found = have.get(key) if isinstance(have, Mapping) else None
        if isinstance(want, Mapping):
            if inner := _difference(found, want):
                return f"{key}.{inner}"
        elif found != want:
            return f"{key} is {found}, wanted is {want}"
    return ""


def _same(have: Any, want: Any) -> bool:
    return pd.isna(have) if want is None else have == want
