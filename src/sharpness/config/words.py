"""The kinds of values that a configuration holds: numbers, names, places, definitions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from sharpness.definition import ALL, PROTOCOLS
from sharpness.downloads.transfer import is_loopback


def choice(word: str, known: Iterable[str]) -> str:
    """What to choose instead of an unknown word: the nearest one, or all of them."""
    known = list(known)
    near = get_close_matches(word, known, n=1, cutoff=0.65)
    return f"did you mean {near[0]!r}?" if near else f"it is one of {', '.join(known)}"


def _definition(word: str) -> str:
    known = [definition.id for definition in ALL]
    if word not in known:
        raise ValueError(f"there is no such definition; {choice(word, known)}")
    return word


def _protocol(word: str) -> str:
    if word not in PROTOCOLS:
        raise ValueError(f"there is no such protocol; {choice(word, PROTOCOLS)}")
    return word


def _number(value: Any) -> Any:
    """The number that a text is: YAML takes 1e-3 for a text."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _radius(value: float) -> float:
    """Refuse digits that the name of a cell does not show."""
    if value != float(f"{value:.12g}"):
        raise ValueError("it must have at most 12 digits")
    return value


def distinct(values: list[Any]) -> list[Any]:
    """The values, none of which may be there twice."""
    for value, count in Counter(values).items():
        if count > 1:
            raise ValueError(f"{value!r} is there more than once")
    return values


def ordered(bounds: tuple[float, float]) -> tuple[float, float]:
    """A range whose lower bound is not above its upper one."""
    if bounds[0] > bounds[1]:
        raise ValueError(f"the lower bound {bounds[0]} is above the upper bound {bounds[1]}")
    return bounds


def _path(path: str) -> str:
    """A path that a system can hold."""
    if not path.strip():
        raise ValueError("it must name a file or a folder")
    if not path.isprintable():
        raise ValueError("it must not hold line breaks and other characters that do not print")
    try:
        Path(path).expanduser()
    except RuntimeError:
        raise ValueError("there is no such user's home; write the path out") from None
    return path


def _file(path: str) -> str:
    if Path(path).is_dir():
        raise ValueError("it must be a file; this is a folder")
    return path


def _folder(path: str) -> str:
    if Path(path).expanduser().is_file():
        raise ValueError("it must be a folder; this is a file")
    return path


def _results(path: str) -> str:
    """A folder in which Snakemake finds what it made: no pattern, written in the shortest way."""
    if path.startswith("~"):
        raise ValueError("it must be written out: ~ is not expanded here")
    if odd := re.search(r"[{}<>*?\[\]\\]", path):
        raise ValueError(f"it must not hold {odd.group()!r}, which has a meaning in patterns")
    if PurePosixPath(path).name in ("", ".."):
        raise ValueError("it must name a folder of its own: results, or /scratch/me/results")
    return str(PurePosixPath(path))


def _mirror(place: str) -> str:
    """A folder, or an address that cannot be tampered with on the way."""
    if "://" not in place:
        return _folder(_path(place))
    try:
        parts = urlsplit(place)
        host = parts.hostname
    except ValueError:
        host = None
    if not host:
        raise ValueError("it must be a folder or an https address; this one names no host")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ValueError("it must be a folder or an https address")
    return place


Count = Annotated[int, Field(gt=0, le=1_000_000_000)]
Size = Annotated[int, Field(gt=0, le=65_536)]
"""Of a layer, in units; or of an image, in pixels."""

Models = Annotated[int, Field(gt=0, le=100_000)]
"""As many as a workflow can hold: each is a dozen files and four jobs."""

Seed = Annotated[int, Field(ge=0, lt=2**32)]
Number = BeforeValidator(_number)
Positive = Annotated[float, Field(gt=0), Number]
Fraction = Annotated[float, Field(ge=0, le=1), Number]
DefinitionId = Annotated[
    str, AfterValidator(_definition), Field(json_schema_extra={"enum": [d.id for d in ALL]})
]
ProtocolName = Annotated[
    str, AfterValidator(_protocol), Field(json_schema_extra={"enum": list(PROTOCOLS)})
]
Radius = Annotated[Positive, AfterValidator(_radius)]
Radii = Annotated[list[Radius], Field(min_length=1), AfterValidator(distinct)]
Counts = Annotated[list[Count], Field(min_length=1), AfterValidator(distinct)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
Column = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
PathName = Annotated[str, AfterValidator(_path)]
File = Annotated[PathName, AfterValidator(_file)]
Folder = Annotated[PathName, AfterValidator(_folder)]
Results = Annotated[Folder, AfterValidator(_results)]
Mirror = Annotated[str, AfterValidator(_mirror)]
DataSet = Literal[
    "digits",
    "digits-c",
    "cifar10",
    "cifar10-c",
    "cifar10-c-whole",
    "imagenet",
    "imagenet-2p",
    "imagenet-v2",
    "imagenet-r",
    "imagenet-a",
    "imagenet-sketch",
    "objectnet",
    "mnli",
    "hans-lexical",
    "hans-subsequence",
    "hans-constituent",
]
Part = Literal[
    "train",
    "test",
    "corrupted",
    "corrupted_whole",
    "heldout",
    "v2",
    "r",
    "sketch",
    "a",
    "objectnet",
    "lexical",
    "subsequence",
    "constituent",
]
"""Which role a data set plays in a pool; each but "train" is something to be wrong on."""


class Settings(BaseModel):
    """A part of the configuration: closed to unknown keys, never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
