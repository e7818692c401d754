"""The words that a configuration holds: names, places, data sets, definitions."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field

from sharpness.data.registry import REGISTRY, SOURCES
from sharpness.definition import ALL, PROTOCOLS
from sharpness.figures.quantities import PARTS
from sharpness.validation import Distinct, OneOf, Positive


def _radius(value: float) -> float:
    """Refuse digits that the name of a cell does not show."""
    if value != float(f"{value:.12g}"):
        raise ValueError("it must have at most 12 digits")
    return value


Radii = Annotated[list[Annotated[Positive, AfterValidator(_radius)]], Field(min_length=1), Distinct]
DefinitionId = Annotated[str, OneOf(definition.id for definition in ALL)]
ProtocolName = Annotated[str, OneOf(PROTOCOLS)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
PathName = Annotated[str, Field(min_length=1)]
Results = Annotated[
    str,
    Field(pattern=r"^[^~{}<>*?\[\]\\]+$"),  # the others have a meaning in Snakemake's patterns
    AfterValidator(lambda path: str(PurePosixPath(path))),  # as Snakemake compares paths
]
SourceName = Annotated[str, OneOf(SOURCES)]
"""What a user can name a copy of."""

DataSet = Annotated[str, OneOf(name for name, entry in REGISTRY.items() if entry.splits)]
Part = Annotated[str, OneOf(PARTS)]
"""Which role a data set plays in a pool; each but "train" is something to be wrong on."""
