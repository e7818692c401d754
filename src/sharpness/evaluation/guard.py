"""Checks that result files were made with the current settings. Needs no torch.

If Snakemake's metadata is lost or overruled by ``--touch``, it takes outdated files for current.
The rule that makes ``pool.csv`` therefore compares the settings in the files with those wanted.
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
from sharpness.io.errors import REMAKE, UserError
from sharpness.io.files import sha256
from sharpness.training.hyperparameters import Space, draw_hyperparameters
from sharpness.training.records import KEY, read_training

_FIRST = {"revision": 1}
"""Default for a record or checkpoint without a revision."""


@dataclass(frozen=True)
class ModelFiles:
    """The files from which one model's row is made; they lie in folders of the pool's folder.

    ``errors``, ``sharpness`` and ``per_batch`` are its ``<model>.csv`` in folders of these names.
    """

    name: str
    errors: Path
    sharpness: Path
    per_batch: Path
    checkpoint: Path

    @property
    def home(self) -> Path:
        """Return the pool's folder."""
        return self.checkpoint.parents[1]


def remake_advice(*gone: Path) -> str:
    """Return advice how to remake files; finished cells and epochs are stored elsewhere."""
    return f"{REMAKE}: rm -rf {shlex.join(map(str, gone))}"


def check_trainings(
    sources: Iterable[ModelFiles], records: Iterable[str | Path], wanted: Mapping[str, Any]
) -> None:
    """Raise UserError if trainings have other settings, or weights are of another training.

    The message names the file, the difference, and the command that remakes it. ``sources`` and the
    ``records`` of the trainings are in the sweep's order. ``wanted`` holds the values that all
    records have (``seed``, ``settings``, ``architecture``, ``data``, ``revision``), and ``space``,
    from which each model is drawn.
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
        mend = remake_advice(*(source.home / name for name in names))
        if found := _difference(record, shared | drawn):
            raise UserError(f"{path}: {found}; {mend}")
        said = checkpoint_metadata(source.checkpoint)
        if found := _difference(said, {"training": record.get("digest")}):
            raise UserError(f"{source.checkpoint}: {found}; {mend}")


def check_conversions(
    sources: Sequence[ModelFiles], wanted: Mapping[str, Mapping[str, Any]]
) -> None:
    """Raise UserError if weights were converted from another file, or in another way.

    The message names the first such file, the difference, and the command that remakes all.
    ``wanted`` holds the expected metadata of each model's checkpoint.
    """
    wrong = {}
    for source in sources:
        said = _FIRST | checkpoint_metadata(source.checkpoint)
        if found := _difference(said, wanted[source.name]):
            wrong[source] = found
    if not wrong:
        return
    first, found = next(iter(wrong.items()))
    all_of_them = len(wrong) == len(sources)  # else name ten at most: one short line
    gone = [first.home / "checkpoints"] if all_of_them else [s.checkpoint for s in [*wrong][:10]]
    if wanted[first.name]["standin"]:
        gone.append(first.home.parent / "standin" / f"{first.home.name}.csv")
    raise UserError(
        f"{first.checkpoint}: {found}; {remake_advice(first.home / 'models.csv', *gone)}"
    )


_CHOICE = "parameters"
"""The setting of a cell that is written only where it is not "all"."""


def check_rows(
    source: ModelFiles,
    errors: pd.DataFrame,
    cells: pd.DataFrame,
    wanted: Sequence[Mapping[str, Any]],
    titles: Mapping[str, str],
) -> None:
    """Raise UserError if errors or cells are of other settings, another revision or other weights.

    The message names the file, the difference, and the command that remakes it. ``wanted`` holds
    the settings of every cell, in canonical order, and ``titles`` the title of the data set of each
    part.
    """
    folders = ("evaluated", "errors", "sharpness", "per_batch")
    mend = remake_advice(*(source.home / name for name in folders))
    known = cells if _CHOICE in cells else cells.assign(**{_CHOICE: "all"})
    full = [{_CHOICE: "all", **want} for want in wanted]
    settings = [name for name in full[0] if name in known]
    have = known[settings].to_dict("records")
    for row, want in zip(have, full, strict=False):
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


def checkpoint_metadata(path: Path) -> dict[str, Any]:
    """Return the metadata of a checkpoint; empty if it is not one of this project's."""
    try:
        with safe_open(path, "numpy") as stream:
            return dict(json.loads(stream.metadata()[KEY]))
    except (SafetensorError, TypeError, KeyError, ValueError):
        return {}


def _difference(have: Any, wanted: Mapping[str, Any]) -> str:
    """Return the first key with another value than wanted, in words; empty if there is none.

    Other keys of ``have`` are ignored, such as sizes of a network that the data determine.
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
