"""What people write, by pydantic: kinds of values, and the first error in one line."""

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
"""Keys of earlier configurations, and what they are called now."""

_NOWHERE = object()
_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 60


class Closed(BaseModel):
    """A model that has no other keys than its own, and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, raw: Any) -> Any:
        """Refuse an unknown key with the nearest known one, which pydantic does not name."""
        for key in raw if isinstance(raw, Mapping) else ():
            if key not in cls.model_fields:
                context = {"key": str(key), "hint": hint(key, cls.model_fields)}
                raise PydanticCustomError("unknown_key", "there is no such key; {hint}", context)
        return raw


class OneOf:
    """Makes ``Annotated[str, OneOf(names)]`` a word that is one of these names."""

    def __init__(self, names: Iterable[str]) -> None:
        """Keep the names in their order."""
        self.names = list(names)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """What pydantic makes of a ``Literal``."""
        return core_schema.literal_schema(self.names)


def hint(word: Any, known: Iterable[str]) -> str:
    """What to write instead of an unknown word: the nearest one, or any."""
    known = list(known)
    if (new := RENAMED.get(str(word))) in known:
        return f"it is now {new!r}"
    near = get_close_matches(str(word), known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"it is one of {', '.join(known)}"


def checked(kind: type[Model], raw: Any, where: str, mend: str = "") -> Model:
    """The typed form of what was read.

    Args:
        kind: what it must be.
        raw: what was read.
        where: the file, or what else to call it in a message.
        mend: what to do, unless that is to mend the key that is named.

    Raises:
        UserError: in one line: the key, its value, what is wrong, the nearest valid name.
    """
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        said = complaint(error, raw)
        raise UserError(f"{where}: {said}; {mend}" if mend else f"{where}: {said}") from None


def complaint(error: ValidationError, raw: Any) -> str:
    """The first thing that is wrong, as ``key: value: what``.

    Args:
        error: all that is wrong.
        raw: what was validated.
    """
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
    """Where the wrong value stands; pydantic also lists its own words for members of unions."""
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
    """The keys as a person looks for them: an entry of a list by its id, where it has one."""
    names = []
    for key in keys:
        raw = raw[key]
        known = isinstance(key, int) and isinstance(raw, Mapping) and "id" in raw
        names.append(str(raw["id"] if known else key))
    return names


class Settings(Closed):
    """A part of the configuration; a value is of its type, and not what could be made into it."""

    model_config = ConfigDict(strict=True)


def _number(value: Any) -> Any:
    """The number that a text is: YAML takes 1e-3 for a text."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _distinct(values: list[Any]) -> list[Any]:
    """The values, none of which may be there twice."""
    for value, count in Counter(values).items():
        if count > 1:
            raise ValueError(f"{value!r} is there more than once")
    return values


Count = Annotated[int, Field(gt=0, le=1_000_000_000)]
Models = Annotated[int, Field(gt=0, le=100_000)]
"""As many as a workflow can hold: each is a dozen files and four jobs."""

Seed = Annotated[int, Field(ge=0, lt=2**32)]
Number = BeforeValidator(_number)
Positive = Annotated[float, Field(gt=0), Number]
Fraction = Annotated[float, Field(ge=0, le=1), Number]
Distinct = AfterValidator(_distinct)
Counts = Annotated[list[Count], Field(min_length=1), Distinct]
