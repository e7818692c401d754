"""A configuration checked in one line: the key, its value, what is allowed, the nearest name."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from sharpness import config
from sharpness.config import Config, DataSet
from sharpness.definition import ALL, PROTOCOLS
from sharpness.problem import Problem


def validated(raw: Mapping[str, Any]) -> Config:
    """The typed form of a configuration as Snakemake merged it.

    Raises:
        Problem: in one line: the key, its value, what is wrong, and the nearest valid name.
    """
    try:
        return Config.model_validate(dict(raw))
    except ValidationError as error:
        raise Problem(f"configuration: {_explained(error)}") from None


def _explained(error: ValidationError) -> str:
    """The first complaint in one line."""
    first = error.errors(include_url=False)[0]
    path = [str(part) for part in first["loc"] if part not in ("preact-resnet", "simple-vit")]
    key = ".".join(part for part in path if part != "[key]") or "(top level)"
    message = first["msg"].removeprefix("Value error, ").replace("\n", " ")
    if first["type"] == "extra_forbidden":
        near = get_close_matches(path[-1], _known_keys(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{key}: there is no such key{hint}"
    if "[key]" in path:
        return f"{key}: {message}{_nearest(path[-2], _known_words())}"
    if first["type"] == "missing":
        return f"{key}: this key is required and is not there"
    value = repr(first["input"])
    shown = value if len(value) <= 60 else value[:57] + "..."
    return f"{key}: {shown}: {message}{_nearest(str(first['input']), _known_words())}"


def _nearest(word: str, known: list[str]) -> str:
    near = get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near and near[0] != word else ""


def _known_words() -> list[str]:
    return [d.id for d in ALL] + list(PROTOCOLS) + list(get_args(DataSet))


def _known_keys() -> list[str]:
    classes = [kind for kind in vars(config).values() if isinstance(kind, type)]
    settings = [kind for kind in classes if issubclass(kind, BaseModel)]
    return sorted({key for kind in settings for key in kind.model_fields})
