"""The CIFAR-10 models that the paper's authors trained and released, from a local folder.

The folder has no table: all that is known of a model is its file's name, which lacks mixup.
``python -m sharpness.checkpoints.released FOLDER > mine.csv`` makes the table. Archives and file
systems that take no colons put underscores in their place.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sharpness.checkpoints.torch_file import read_tensors
from sharpness.checkpoints.weight_map import Array
from sharpness.io.errors import UserError

COLUMNS = ("model", "learning_rate", "sam_rho", "augment", "epochs", "seed", "file")

_NAME = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d) (?P<hour>\d\d)[:_](?P<minute>\d\d)[:_](?P<second>\d\d\.\d+)"
    r"(?P<settings>( \w+=\S+)+)\.pth"
)
_NUMBER = re.compile(r"\d+(\.\d+)?(e-?\d+)?")
_WHOLE = re.compile(r"\d+")


def read(path: str | Path, architecture: Mapping[str, Any]) -> dict[str, Array]:
    """Read the final weights of a file by our names; see ``formats.read``.

    Some of the authors' transformers diverged (34 of 198 are exactly at chance). The batch counters
    of a ``preact-resnet`` are integers.
    """
    arrays = read_tensors(path, inside="last")
    places = _places(architecture)
    for name in sorted(places.keys() | arrays.keys()):
        if name not in arrays:
            raise UserError(f"{path}: array {name} is missing; is it of another architecture?")
        if name not in places:
            raise UserError(
                f"{path}: array {name} has no place in the network; another architecture?"
            )
        found, needed = arrays[name], places[name]
        if (found.shape, found.dtype) != (needed.shape, needed.dtype):
            sizes = f"{found.dtype} of shape {found.shape}; {needed.dtype} of {needed.shape}"
            raise UserError(f"{path}: array {name} is {sizes} is needed")
    return {name: np.asarray(arrays[name], order="C") for name in places}


def table_of(folder: str | Path, model: str | None = None) -> list[dict[str, str]]:
    """Return one row for each released model in a folder and its subfolders, sorted by name.

    ``model`` is ``resnet18`` or ``vit_exp``, needed if the folder holds both. Rows have
    ``COLUMNS``: numbers as they stand in the file's name, and absolute paths.

    Raises:
        UserError: if a file's name cannot be parsed, a model occurs twice, or there is none.
    """
    parsed = [_parse(path) for path in sorted(Path(folder).rglob("*.pth"))]
    kinds = sorted({kind for kind, _ in parsed})
    if model is None and len(kinds) > 1:
        raise UserError(f"{folder}: holds {' and '.join(kinds)}; choose one with --model")
    rows: dict[str, dict[str, str]] = {}
    for kind, row in parsed:
        if model not in (None, kind):
            continue
        if row["model"] in rows:
            raise UserError(
                f"{row['file']}: the same model as {rows[row['model']]['file']}; move it"
            )
        rows[row["model"]] = row
    if not rows:
        raise UserError(
            f"{folder}: holds no released {model or 'models'} (….pth); name another folder"
        )
    return [rows[name] for name in sorted(rows)]


def main(words: list[str] | None = None) -> int:
    """Print the table of a folder as CSV."""
    parser = argparse.ArgumentParser(
        prog="python -m sharpness.checkpoints.released",
        description="Print a table of the authors' CIFAR-10 models, read from their file names.",
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", help="only these: resnet18 or vit_exp")
    options = parser.parse_args(words)
    try:
        rows = table_of(options.folder, options.model)
    except UserError as problem:
        print(problem, file=sys.stderr)
        return 1
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return 0


def _parse(path: Path) -> tuple[str, dict[str, str]]:
    """Return the architecture's name and the table row of a file, from its name alone."""
    found = _NAME.fullmatch(path.name)
    if found is None:
        raise UserError(f"{path}: is not named like a released model; move it out of the folder")
    settings = dict(pair.split("=", 1) for pair in found["settings"].split())

    def take(key: str, pattern: str | re.Pattern[str]) -> str:
        value = settings.get(key, "nothing")
        if re.fullmatch(pattern, value) is None:
            raise UserError(f"{path}: its name says {key}={value}; move it out of the folder")
        return value

    kind = take("model", r"[A-Za-z0-9][A-Za-z0-9_]*")
    take("dataset", "cifar10")
    epochs = take("epochs", _WHOLE)
    take("epoch", epochs)  # files of other epochs are of unfinished models
    augment = take("augm", "True|False")
    take("randaug", augment)  # the table has one column for both
    time = "-".join((found["day"], found["hour"], found["minute"], found["second"]))
    row = {
        "model": f"{kind}-{time}",
        "learning_rate": take("lr_max", _NUMBER),
        "sam_rho": take("sam_rho", _NUMBER),
        "augment": augment,
        "epochs": epochs,
        "seed": take("seed", _WHOLE),
        "file": str(path.absolute()),
    }
    return kind, row


def _places(architecture: Mapping[str, Any]) -> dict[str, Array]:
    """Return arrays with the network's names, shapes and types that take no memory."""
    import torch

    from sharpness.networks import build

    with torch.device("meta"):
        network = build(architecture)
    return {
        name: np.broadcast_to(torch.empty((), dtype=tensor.dtype).numpy(), tensor.shape)
        for name, tensor in network.state_dict().items()
    }


if __name__ == "__main__":
    sys.exit(main())
