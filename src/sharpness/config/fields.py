"""Parts of a pool's configuration: names, networks, their inputs, and the sharpness settings."""

from __future__ import annotations

import re
from itertools import product
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from sharpness.data.parts import PARTS
from sharpness.data.registry import REGISTRY, SOURCES
from sharpness.io.files import expanded
from sharpness.io.validation import (
    Count,
    Counts,
    Distinct,
    Fraction,
    OneOf,
    Positive,
    Seed,
    Settings,
)
from sharpness.measures.definition import IN_ORDER, PROTOCOLS, Cell, Data, Definition, Precision
from sharpness.measures.measurement import Measurement
from sharpness.networks import Blocks, Size


def _radius(value: float) -> float:
    """Raise ValueError if the radius has more digits than a cell's id shows."""
    if value != float(f"{value:.12g}"):
        raise ValueError("it must have at most 12 digits")
    return value


def _pattern(words: str) -> str:
    """Raise ValueError if the choice of parameters is no regular expression."""
    try:
        re.compile(words)
    except re.error as error:
        raise ValueError(f"it is no regular expression ({error})") from None
    return words


def _measure(word: str) -> str:
    """Raise ValueError if the word is no id of a measure."""
    return Measurement.parse(word).id


Radii = Annotated[list[Annotated[Positive, AfterValidator(_radius)]], Field(min_length=1), Distinct]
DefinitionId = Annotated[str, OneOf(definition.id for definition in IN_ORDER)]
MeasureId = Annotated[str, AfterValidator(_measure)]
ProtocolName = Annotated[str, OneOf(PROTOCOLS)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
PathName = Annotated[str, Field(min_length=1), AfterValidator(expanded)]
Results = Annotated[
    str,
    BeforeValidator(lambda path: expanded(path) if isinstance(path, str) else path),
    Field(pattern=r"^[^~{}<>*?\[\]\\]+$"),  # Snakemake's patterns use the excluded characters
    AfterValidator(lambda path: str(PurePosixPath(path))),  # Snakemake compares normalized paths
]
SourceName = Annotated[str, OneOf(SOURCES)]
"""A data source of which the user can name a local copy."""

DataSet = Annotated[str, OneOf(name for name, entry in REGISTRY.items() if entry.splits)]
Part = Annotated[str, OneOf(PARTS)]
"""The role of a data set in a pool: the training set, or a set to measure an error on."""


class ResNet(Settings):
    """PreAct ResNet; width 64 and blocks [2, 2, 2, 2] give the paper's ResNet-18."""

    name: Literal["preact-resnet"]
    width: Size = 64
    blocks: Blocks = Field(default=[2, 2, 2, 2])


class SimpleViT(Settings):
    """SimpleViT; the defaults are the paper's (App. H)."""

    name: Literal["simple-vit"]
    patch_size: Size = 4
    dim: Size = 512
    depth: Size = 6
    heads: Size = 16
    dim_head: Size = 64
    mlp_dim: Size = 1024


class ViT(Settings):
    """timm's VisionTransformer; the defaults are ViT-B/16 (App. C)."""

    name: Literal["vit"]
    image_size: Size = 224
    patch_size: Size = 16
    dim: Size = 768
    depth: Size = 12
    heads: Size = 12
    mlp_dim: Size = 3072
    classes: Size = 1000


class ClipViT(Settings):
    """CLIP's image encoder with a linear head; the defaults are ViT-B/32 (App. F)."""

    name: Literal["clip-vit"]
    image_size: Size = 224
    patch_size: Size = 32
    dim: Size = 768
    depth: Size = 12
    heads: Size = 12
    mlp_dim: Size = 3072
    embedding: Size = 512
    classes: Size = 1000


class Bert(Settings):
    """BERT with a classification head; the defaults are BERT-base, uncased (App. G)."""

    name: Literal["bert"]
    vocabulary: Size = 30522
    positions: Size = 512
    types: Size = 2
    dim: Size = 768
    depth: Size = 12
    heads: Size = 12
    mlp_dim: Size = 3072
    classes: Size = 3


class PhotoInputs(Settings):
    """Preprocessing of photos: a publisher's recipe and the image size in pixels."""

    name: Literal["photos"]
    recipe: Literal["augreg", "timm", "clip"]
    size: Size = 224


class TokenInputs(Settings):
    """Tokenization of sentence pairs: BERT's WordPiece, cut and padded to ``length`` tokens."""

    name: Literal["tokens"]
    length: Size = 128


class Ablation(Settings):
    """One definition measured with other data, m or steps than the pool's (App. H.1 to H.3).

    ``restarts`` are random starts of Auto-PGD, of which the best counts, ``samples`` draws of the
    average case.
    """

    definition: DefinitionId
    radii: Radii
    data: Annotated[list[Data], Field(min_length=1), Distinct] = Field(default=["original"])
    m: Counts | None = None
    steps: Counts | None = None
    restarts: Count | None = None
    samples: Counts | None = None


class Measurements(Settings):
    """Settings of the sharpness measurements on each model, but for the radii."""

    points: Count
    m: Count
    steps: Count
    samples: dict[ProtocolName, Count] = Field(default_factory=dict)
    seed: Seed = 0
    max_train_error: Fraction | None = None
    parameters: Annotated[str, AfterValidator(_pattern)] = "all"
    precision: Precision = "float32"
    compile: bool = False
    ablations: dict[Name, Ablation] = Field(default_factory=dict)
    measures: Annotated[list[MeasureId], Distinct] = Field(default=[])

    @model_validator(mode="after")
    def _whole_batches(self) -> Self:
        sizes = {"m": [self.m]}
        sizes |= {f"ablations.{name}.m": a.m or [] for name, a in self.ablations.items()}
        for key, many in sizes.items():
            for m in many:
                if self.points % m:
                    raise ValueError(f"{key}: {m}: does not divide the {self.points} points")
        return self

    @property
    def given_radii(self) -> dict[str, list[float]]:
        """The radii of the definitions for which the configuration gives them."""
        raise NotImplementedError

    @property
    def auto(self) -> list[str]:
        """The measures whose radii are to be found."""
        return [word for word in self.measures if Measurement.parse(word).auto]

    def usual(self, protocol: str) -> dict[str, int]:
        """Return the number of steps and samples of a protocol's cells that name none."""
        return {"steps": self.steps, "samples": self.draws[protocol]}

    @property
    def draws(self) -> dict[str, int]:
        """The draws of the average case by protocol."""
        return {name: self.samples.get(name, knobs.samples) for name, knobs in PROTOCOLS.items()}

    def cells(self, protocols: list[str]) -> list[Cell]:
        """Return the distinct cells measured on each model, in the order of the paper's tables."""
        radii = self.given_radii
        wanted = [
            Cell(Definition.parse(word), radius, protocol)
            for protocol in protocols
            for word in radii
            for radius in sorted(radii[word])
        ]
        wanted.sort(
            key=lambda cell: (protocols.index(cell.protocol), IN_ORDER.index(cell.definition))
        )
        for name in sorted(self.ablations):
            given = self.ablations[name]
            definition = Definition.parse(given.definition)
            # A cell measured with the pool's own m or steps does not name them.
            sizes = [None if m == self.m else m for m in given.m or [self.m]]
            counts = [None if n == self.steps else n for n in given.steps or [self.steps]]
            fewer: list[int | None] = [*given.samples] if given.samples else [None]
            wanted += [
                Cell(definition, radius, protocols[0], data, m, steps, given.restarts, samples)
                for data, m, steps, samples, radius in product(
                    given.data, sizes, counts, fewer, given.radii
                )
            ]
        return list(dict.fromkeys(wanted))


class Sharpness(Measurements):
    """Settings of the sharpness measurements on each model."""

    radii: Annotated[dict[DefinitionId, Radii], Field(min_length=1)]

    @property
    def given_radii(self) -> dict[str, list[float]]:
        """The radii of the definitions for which the configuration gives them: all."""
        return self.radii
