"""Kinds of values that a person sets: numbers in a range, lists of distinct values."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from sharpness.validation import Closed


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
