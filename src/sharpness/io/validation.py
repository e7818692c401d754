"""Validation of user input with pydantic: types of values, and the first error in one line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import combinations
from reprlib import Repr
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema

from sharpness.io.errors import UserError

Model = TypeVar("Model", bound=BaseModel)

RENAMED = {"decoders": "num_workers", "bases": "base_seeds", "switches": "overrides"}
"""Keys of earlier configurations, and their present names."""

_NOWHERE = object()
_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 60


class Closed(BaseModel):
    """A pydantic model that forbids unknown keys and is immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, raw: Any) -> Any:
        """Reject an unknown key with the nearest known one, which pydantic does not suggest."""
        known = [field.alias or name for name, field in cls.model_fields.items()]
        for key in raw if isinstance(raw, Mapping) else ():
            if key not in known:
                context = {"key": str(key), "hint": hint(key, known)}
                raise PydanticCustomError("unknown_key", "there is no such key; {hint}", context)
        return raw


class OneOf:
    """A type annotation: ``Annotated[str, OneOf(names)]`` is one of these names."""

    def __init__(self, names: Iterable[str]) -> None:
        """Store the names in their order."""
        self.names = list(names)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Return the schema of a ``Literal`` of the names."""
        return core_schema.literal_schema(self.names)


def hint(word: Any, known: Iterable[str]) -> str:
    """Suggest a known word for an unknown one: its new name, the nearest one, or all of them."""
    known = list(known)
    if (new := RENAMED.get(str(word))) in known:
        return f"it is now {new!r}"
    near = get_close_matches(str(word), known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"it is one of {', '.join(known)}"


def checked(kind: type[Model], raw: Any, where: str, mend: str = "") -> Model:
    """Validate ``raw`` and return it as an object of type ``kind``.

    ``where`` begins the message, such as with the file; ``mend`` ends it with advice, unless that
    is to fix the key that is named.

    Raises:
        UserError: in one line: the key, its value, what is wrong, the nearest valid name.
    """
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        said = complaint(error, raw)
        raise UserError(f"{where}: {said}; {mend}" if mend else f"{where}: {said}") from None


def complaint(error: ValidationError, raw: Any) -> str:
    """Return the first error in the validation of ``raw``, as ``key: value: message``."""
    first = error.errors(include_url=False)[0]
    kind, context, value = first["type"], first.get("ctx", {}), first["input"]
    path = _named(raw, _keys(raw, first))
    if kind == "missing":
        path.append(str(first["loc"][-1]))
    if key := context.get("key") or context.get("discriminator"):
        path.append(key.strip("'"))
    says = first["msg"].removeprefix("Value error, ")
    if kind != "value_error":
        says = says[0].lower() + says[1:]
    known = re.findall(r"'([^']*)'", context.get("expected") or context.get("expected_tags") or "")
    if known and (near := get_close_matches(str(context.get("tag", value)), known, n=1)):
        says += f"; did you mean {near[0]!r}?"
    parts = [".".join(path)] if path else []
    if kind not in ("missing", "unknown_key") and not isinstance(value, Mapping):
        parts.append(_SHORT.repr(value))
    return ": ".join([*parts, says])


def _keys(raw: Any, error: ErrorDetails) -> tuple[int | str, ...]:
    """Return the path of the wrong value; in unions pydantic adds words of its own to it."""
    steps = error["loc"]
    standing = [
        keys
        for count in range(len(steps), -1, -1)
        for keys in reversed(list(combinations(steps, count)))
        if _at(raw, keys) is not _NOWHERE
    ]
    return next((keys for keys in standing if _at(raw, keys) is error["input"]), standing[0])


def _at(raw: Any, keys: Iterable[int | str]) -> Any:
    try:
        for key in keys:
            raw = raw[key]
    except (KeyError, IndexError, TypeError):
        return _NOWHERE
    return raw


def _named(raw: Any, keys: Iterable[int | str]) -> list[str]:
    """Return the keys for a message: an entry of a list by its id, where it has one."""
    names = []
    for key in keys:
        raw = raw[key]
        known = isinstance(key, int) and isinstance(raw, Mapping) and "id" in raw
        names.append(str(raw["id"] if known else key))
    return names


class Settings(Closed):
    """A part of the configuration; values must have the exact type, without conversion."""

    model_config = ConfigDict(strict=True)


def _number(value: Any) -> Any:
    """Convert a text to a number if possible: YAML reads 1e-3 as text."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _distinct(values: list[Any]) -> list[Any]:
    for value, count in Counter(values).items():
        if count > 1:
            raise ValueError(f"{value!r} is there more than once")
    return values


Count = Annotated[int, Field(gt=0, le=1_000_000_000)]
Models = Annotated[int, Field(gt=0, le=100_000)]
"""Limit of what a workflow can hold: each model is a dozen files and four jobs."""

Seed = Annotated[int, Field(ge=0, lt=2**32)]
Number = BeforeValidator(_number)
Positive = Annotated[float, Field(gt=0), Number]
Fraction = Annotated[float, Field(ge=0, le=1), Number]
Distinct = AfterValidator(_distinct)
Counts = Annotated[list[Count], Field(min_length=1), Distinct]
