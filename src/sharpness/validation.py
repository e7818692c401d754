"""A configuration checked in one line: the key, its value, what is allowed, the nearest name."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import ValidationError

from sharpness.config import Config
from sharpness.config.sources import SourceName
from sharpness.config.words import DataSet, Part, Settings
from sharpness.definition import ALL, PROTOCOLS
from sharpness.problem import Problem


def validated(raw: Mapping[str, Any]) -> Config:
    """The typed form of a configuration as Snakemake merged it.

    Raises:
        Problem: in one line: the key, its value, what is wrong, and the nearest valid name.
    """
    try:
        settings = Config.model_validate(dict(raw))
    except ValidationError as error:
        raise Problem(f"configuration: {_explained(error)}") from None
    for name, pool in settings.pools.items():
        try:
            _ = pool.models  # tables of models are read here, before anything runs
        except Problem as problem:
            raise Problem(f"configuration: pools.{name}.checkpoints: {problem}") from None
    try:
        _ = settings.simple.two_layer_relu.catalogue
    except Problem as problem:
        raise Problem(f"configuration: simple.two_layer_relu.runs: {problem}") from None
    return settings


def _explained(error: ValidationError) -> str:
    """The first complaint in one line."""
    first = error.errors(include_url=False)[0]
    path = _path(first["loc"])
    key = ".".join(part for part in path if part != "[key]") or "(top level)"
    message = first["msg"].removeprefix("Value error, ").replace("\n", " ")
    if first["type"] == "extra_forbidden":
        near = get_close_matches(path[-1], _known_keys(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{key}: there is no such key{hint}"
    if "[key]" in path:
        return f"{key}: {message}{_nearest(path[-2], _known_words())}"
    if first["type"].startswith("union_tag"):
        return f"{key}.{_kind(first['ctx'])}"
    if first["type"] == "missing":
        return f"{key}: this key is required and is not there"
    value = repr(first["input"])
    shown = value if len(value) <= 60 else value[:57] + "..."
    return f"{key}: {shown}: {message}{_nearest(str(first['input']), _known_words())}"


def _kind(found: Mapping[str, str]) -> str:
    """The key that tells one kind of settings from another, and what is wrong with it."""
    key = found["discriminator"].strip("'")
    if "tag" in found:
        return f"{key}: {found['tag']!r}: it is one of {found['expected_tags']}"
    return f"{key}: this key is required and is not there"


def _path(location: tuple[int | str, ...]) -> list[str]:
    """The keys as they are written, without pydantic's words for the member of a union."""
    path = [str(part) for part in location]
    if path[:1] == ["pools"] and len(path) > 2 and path[2] in ("sweep", "published"):
        del path[2]
    if path[:1] == ["pools"] and len(path) > 3 and path[2] in ("architecture", "inputs"):
        del path[3]
    return path


def _nearest(word: str, known: list[str]) -> str:
    near = get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near and near[0] != word else ""


def _known_words() -> list[str]:
    return (
        [d.id for d in ALL]
        + list(PROTOCOLS)
        + [w for k in (DataSet, Part, SourceName) for w in get_args(k)]
    )


def _known_keys() -> list[str]:
    kinds: list[type[Settings]] = [Settings]
    known: set[str] = set()
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        known |= kind.model_fields.keys()
    return sorted(known)
