"""AugReg's ``index.csv``, which states the makers' own accuracies of every released checkpoint.

It lies beside the checkpoints. A row is one fine-tuning; ``adapt_filename`` is the name of its
file without ``.npz``, and ``adapt_final_test`` its accuracy (a fraction), for ``imagenet2012`` on
the official validation set by the makers' preprocessing. Needs no torch.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sharpness.checkpoints.table import PublishedModel, fraction
from sharpness.evaluation.published import PublishedError, compare, not_compared
from sharpness.io.download import Absent, download_named, fetch, reachable
from sharpness.io.errors import UserError, reading
from sharpness.io.files import own_folder
from sharpness.io.transfer import Unavailable

if TYPE_CHECKING:
    import pandas as pd

ROW = "augreg-index"
"""Its row of ``downloads.csv``."""

PREPROCESSING = "augreg"
"""The makers' preprocessing, by its name in the table of published errors."""

FILE, ACCURACY = "adapt_filename", "adapt_final_test"
COLUMNS = (
    *("name", "ds", "lr", "aug", "wd", "do", "sd", "best_val", "final_val", "final_test"),
    *("adapt_ds", "adapt_lr", "adapt_steps", "adapt_resolution", "adapt_final_val", ACCURACY),
    *("params", "infer_samples_per_sec", "filename", FILE),
)
"""All columns, in order; only `FILE` and `ACCURACY` are read."""


def file_stem(member: PublishedModel) -> str:
    """Return the name of a model's file without ``.npz``, as the index has it."""
    return (member.file or member.url).rpartition("/")[2].removesuffix(".npz")


def index_reachable(cache: str, mirror: str | None, offline: bool, standin: bool) -> bool:
    """Return whether the index may be found, without asking a server; stand-ins are made."""
    return standin or reachable(download_named(ROW).url, cache, mirror=mirror, offline=offline)


@contextmanager
def fetched(cache: str, mirror: str | None, offline: bool, standin: bool) -> Iterator[Path]:
    """Yield the path of the index, fetched if necessary and trusted on first use.

    A stand-in may be made anew by the workflow, so it is neither kept nor pinned.
    """
    row = download_named(ROW)
    if standin:
        with own_folder(Path(cache) / ROW) as folder:
            yield fetch(row.url, folder, mirror=mirror, offline=offline)
    else:
        yield fetch(row.url, cache, mirror=mirror, offline=offline, **row.claims())


def read_index(path: str | Path, stems: Collection[str]) -> dict[str, float]:
    """Return the test errors of the files with these stems; those not in the index are left out.

    Raises:
        UserError: if a column is missing, an accuracy is no fraction, or a file is there twice.
    """
    found: dict[str, float] = {}
    with reading(path), open(path, encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, strict=True)
        if absent := [name for name in (FILE, ACCURACY) if name not in (reader.fieldnames or ())]:
            raise UserError(f"{path}: no column {absent[0]!r}; it is not AugReg's index")
        for row in reader:
            stem, where = row[FILE], f"{path}, line {reader.line_num}"
            if stem not in stems:
                continue
            if stem in found:
                raise UserError(f"{where}: {stem} is there twice")
            found[stem] = 1 - fraction(row[ACCURACY], f"{where}: {ACCURACY}")
    return found


def compare_with_index(
    pool: pd.DataFrame,
    stems: Mapping[str, str],
    places: Mapping[str, Any],
    preprocessing: str,
    taken: Mapping[str, Collection[str]] | None = None,
) -> pd.DataFrame:
    """Compare the index's test errors with those evaluated here, as `published.compare` does.

    ``stems`` holds the stem of each model's file, and ``places`` the arguments of `fetched`. A
    model without an error there, be it that the index cannot be had, has a row that says so.
    """
    import pandas as pd

    lacking, errors = "", {}
    try:
        with fetched(**places) as path:
            errors = read_index(path, set(stems.values()))
    except (Absent, Unavailable) as problem:
        lacking = str(problem)
    source = "AugReg's index.csv" + (" (stand-in)" if places["standin"] else "")
    stated, rest = {}, []
    for model, evaluated in zip(pool["model"], pool["error_test"], strict=True):
        if (stem := stems[model]) in errors:
            stated[model] = {"test": PublishedError(errors[stem], PREPROCESSING, source)}
        elif "test" not in (taken or {}).get(model, ()):
            why = lacking or f"it has no row of {stem}"
            rest.append(not_compared(model, "test", evaluated, why, PREPROCESSING, source))
    compared = compare(pool, stated, preprocessing, taken)
    return pd.DataFrame([*compared.to_dict("records"), *rest], columns=compared.columns)
