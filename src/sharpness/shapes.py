"""What a JSON file of the workflow must hold, for somebody may have edited it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sharpness.problem import Problem

Shape = Any
"""A type or some of them, a one-item list of what a list holds, a mapping of the keys that must be
there (of those that may, the name ends in ``?``), or such a mapping and None's type."""


def check_shape(value: Any, shape: Shape, where: str, mend: str) -> None:
    """Refuse a value of another shape.

    Args:
        value: what was read.
        shape: what it must be.
        where: the file, or what else to call the value in a message.
        mend: what to do.

    Raises:
        Problem: naming the first key that is missing or holds something else.
    """
    if isinstance(shape, tuple) and isinstance(shape[0], Mapping):
        if value is not None:
            check_shape(value, shape[0], where, mend)
    elif isinstance(shape, Mapping):
        _check_type(value, dict, where, mend)
        for key, inside in shape.items():
            name = key.removesuffix("?")
            if name in value:
                check_shape(value[name], inside, f"{where}: {name}", mend)
            elif name == key:
                raise Problem(f"{where}: {name} is missing; {mend}")
    elif isinstance(shape, list):
        _check_type(value, list, where, mend)
        for number, part in enumerate(value, 1):
            check_shape(part, shape[0], f"{where}: {number}", mend)
    else:
        _check_type(value, shape, where, mend)


def _check_type(value: Any, kinds: Any, where: str, mend: str) -> None:
    if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
        words = kinds if isinstance(kinds, tuple) else (kinds,)
        wanted = " or ".join(_WORDS[kind] for kind in words)
        raise Problem(
            f"{where}: is {_WORDS.get(type(value), 'nothing known')}, not {wanted}; {mend}"
        )


_WORDS: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}
