"""Which output of a model stands for which class of the data.

Cross-entropy accepts the labels 0 to 2 of a folder of three classes with a thousand outputs, so the
correspondence is never guessed by number alone where a model has other outputs or names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sharpness.data.listing import imagenet_wnids
from sharpness.io.errors import UserError
from sharpness.io.files import read_rows

COLUMNS = ("class", "output")


def read_labels(path: str | Path) -> dict[str, int]:
    """Read a table with the columns ``class`` and ``output``: the outputs of the data's classes.

    Raises:
        UserError: if a column is missing, an output is no whole number, or a class is there twice.
    """
    header, rows = read_rows(path)
    if absent := [name for name in COLUMNS if name not in header]:
        raise UserError(f"{path}: no column {absent[0]!r}; it needs {' and '.join(COLUMNS)}")
    places = [header.index(name) for name in COLUMNS]
    found: dict[str, int] = {}
    for number, row in enumerate(rows, start=2):
        where = f"{path}: row {number}"
        name, output = (row[place].strip() for place in places)
        if not output.isdecimal():
            raise UserError(f"{where}: output is {output!r}; it is a whole number from 0")
        if name in found:
            raise UserError(f"{where}: class {name!r} is there twice")
        found[name] = int(output)
    return found


def outputs_for(
    classes: Sequence[str],
    outputs: int,
    names: Sequence[str] = (),
    given: Mapping[str, int] | None = None,
    fresh: bool = False,
) -> tuple[list[int], str]:
    """Return the output of each class of the data, and how it was found, in words.

    Args:
        classes: names of the data's classes, in the order of their labels.
        outputs: number of the model's outputs.
        names: of the model's outputs, if it has any.
        given: from `read_labels`.
        fresh: whether the weights are random, so that any order will do.

    Raises:
        UserError: if a class has no output.
    """
    if given is not None:
        return _given(classes, outputs, given), "by the table of labels"
    wnids = imagenet_wnids()
    if outputs == len(wnids) and set(classes) <= set(wnids):
        return [wnids.index(name) for name in classes], "by ImageNet's class ids"
    if places := _by_name(classes, names):
        return places, "by the names of the outputs"
    if why := _no_order(classes, outputs, names, fresh):
        raise UserError(
            f"{why}; say which output each class is: --labels, or `labels` in a pool, names a CSV "
            "with the columns class, output"
        )
    pairs = ", ".join(f"{name} is {k}" for k, name in enumerate(classes[:3]))
    return list(range(outputs)), f"by their order ({pairs}{', ...' * (outputs > 3)})"


def _by_name(classes: Sequence[str], names: Sequence[str]) -> list[int] | None:
    """Return the outputs that are called as the classes; None if a class has none."""
    wanted, plain = [_plain(name) for name in classes], [_plain(name) for name in names]
    if not plain or not {*wanted} <= {*plain}:
        return None
    for name, word in zip(classes, wanted, strict=True):
        if plain.count(word) > 1 or wanted.count(word) > 1:
            raise UserError(
                f"class {name!r}: several outputs, or classes, are called so; name a CSV of labels"
            )
    return [plain.index(word) for word in wanted]


def _no_order(classes: Sequence[str], outputs: int, names: Sequence[str], fresh: bool) -> str:
    """Return why classes and outputs do not correspond by their order; empty if they do."""
    first = f"{', '.join(classes[:3])}{', ...' if len(classes) > 3 else ''}"
    if outputs != len(classes):
        return f"the model has {outputs} outputs, the data {len(classes)} classes ({first})"
    try:
        numbers = [float(name) for name in classes]
    except ValueError:
        called = f"{', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
        return f"the outputs are called {called}, the data's classes {first}" if names else ""
    if numbers != sorted(numbers) and not fresh:
        return f"the data's classes are numbers, but sorted as words ({', '.join(classes[:12])})"
    return ""


def _given(classes: Sequence[str], outputs: int, given: Mapping[str, int]) -> list[int]:
    for name in classes:
        if name not in given:
            raise UserError(f"labels: class {name!r} of the data is not in the table; add it")
        if given[name] >= outputs:
            raise UserError(f"labels: {name!r} is output {given[name]}; the model has {outputs}")
    return [given[name] for name in classes]


def _plain(name: str) -> str:
    return name.casefold().replace("_", " ").strip()
