"""What a configuration may say: typed, closed to unknown keys, checked before anything runs.

``config.yaml`` is the default at scale "mini", ``config/paper.yaml`` an overlay with the paper's
own sizes, ``config/schema.yaml`` the JSON schema of these classes for editors
(``python -m sharpness.config > config/schema.yaml``).
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from sharpness.definition import ALL, PROTOCOLS, Cell, Data, Definition


def _definition(word: str) -> str:
    return Definition.parse(word).id


def _protocol(word: str) -> str:
    if word not in PROTOCOLS:
        raise ValueError(f"protocol {word!r} is unknown; one of {', '.join(PROTOCOLS)}")
    return word


def _distinct(values: list[Any]) -> list[Any]:
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"{repeated[0]!r} is there more than once")
    return values


def _range(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"the lower bound {bounds[0]} is above the upper bound {bounds[1]}")
    return bounds


Fraction = Annotated[float, Field(ge=0, le=1)]
DefinitionId = Annotated[str, AfterValidator(_definition)]
ProtocolName = Annotated[str, AfterValidator(_protocol)]
Radii = Annotated[list[PositiveFloat], Field(min_length=1), AfterValidator(_distinct)]
Counts = Annotated[list[PositiveInt], Field(min_length=1), AfterValidator(_distinct)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
DataSet = Literal["digits", "digits-c", "cifar10", "cifar10-c", "cifar10-c-whole"]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


class ResNet(_Settings):
    """PreAct ResNet; width 64 and blocks [2, 2, 2, 2] is the paper's ResNet-18."""

    name: Literal["preact-resnet"]
    width: PositiveInt = 64
    blocks: list[PositiveInt] = [2, 2, 2, 2]


class SimpleViT(_Settings):
    """SimpleViT; the defaults are the paper's (App. H)."""

    name: Literal["simple-vit"]
    patch_size: PositiveInt = 4
    dim: PositiveInt = 512
    depth: PositiveInt = 6
    heads: PositiveInt = 16
    dim_head: PositiveInt = 64
    mlp_dim: PositiveInt = 1024


class PoolData(_Settings):
    """Which data set plays which part; each part becomes a column ``error_<part>``."""

    train: DataSet
    test: DataSet
    corrupted: DataSet
    corrupted_whole: DataSet | None = None

    @property
    def parts(self) -> dict[str, str]:
        """Every part that is played, and by which data set."""
        return self.model_dump(exclude_none=True)


class Sweep(_Settings):
    """The distribution from which the models of a pool are drawn (App. H)."""

    models: PositiveInt
    seed: Annotated[int, Field(ge=0)] = 0
    learning_rate: Annotated[tuple[PositiveFloat, PositiveFloat], AfterValidator(_range)]
    sam_rho: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=1)] = [0.0, 0.05, 0.1]
    mixup: Fraction = 0.5
    augment: Fraction = 0.5

    @property
    def space(self) -> dict[str, Any]:
        """What a model's hyper-parameters are drawn from."""
        return self.model_dump(exclude={"models", "seed"})


class Training(_Settings):
    """How each model of a sweep is trained (Sec. 5.1 and App. H)."""

    epochs: PositiveInt = 200
    batch_size: PositiveInt = 128
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    warmup_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.4
    mixup_alpha: PositiveFloat = 0.5
    repeats: PositiveInt = 2
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: bool = False


class Ablation(_Settings):
    """One definition measured in other ways than the pool's own (App. H.1 to H.3)."""

    definition: DefinitionId
    radii: Radii
    data: list[Data] = ["original"]
    m: Counts | None = None
    steps: Counts | None = None


class Sharpness(_Settings):
    """What is measured on each model."""

    points: PositiveInt
    m: PositiveInt
    steps: PositiveInt
    samples: dict[ProtocolName, PositiveInt] = Field(default_factory=dict)
    seed: Annotated[int, Field(ge=0)] = 0
    max_train_error: Fraction = 0.01
    radii: dict[DefinitionId, Radii]
    ablations: dict[Name, Ablation] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _whole_batches(self) -> Sharpness:
        sizes = [self.m, *(m for a in self.ablations.values() for m in a.m or [])]
        for m in sizes:
            if self.points % m:
                raise ValueError(f"m is {m}, which does not divide the {self.points} points")
        return self

    def plan(self, protocols: list[str]) -> dict[str, Any]:
        """What ``Plan.parse`` takes: all that the results depend on, the cells as ids."""
        settings = self.model_dump(exclude={"radii", "ablations"})
        return {"cells": [cell.id for cell in self.cells(protocols)], **settings}

    def cells(self, protocols: list[str]) -> list[Cell]:
        """Every cell of a model, without repetition.

        Their order is that of the paper's tables, whatever the order of the configuration.
        """
        wanted = [
            Cell(Definition.parse(word), radius, protocol)
            for protocol in protocols
            for word in self.radii
            for radius in sorted(self.radii[word])
        ]
        wanted.sort(key=lambda cell: (protocols.index(cell.protocol), ALL.index(cell.definition)))
        for name in sorted(self.ablations):
            wanted += self._ablated(self.ablations[name], protocols[0])
        return list(dict.fromkeys(wanted))

    def _ablated(self, ablation: Ablation, protocol: str) -> list[Cell]:
        definition = Definition.parse(ablation.definition)
        sizes: list[int | None] = [*ablation.m] if ablation.m else [None]
        counts: list[int | None] = [*ablation.steps] if ablation.steps else [None]
        return [
            Cell(
                definition,
                radius,
                protocol,
                data,
                None if m == self.m else m,
                None if steps == self.steps else steps,
            )
            for data in ablation.data
            for m in sizes
            for steps in counts
            for radius in ablation.radii
        ]


class Pool(_Settings):
    """A set of models that share one loss surface."""

    title: str
    table: PositiveInt | None = None
    architecture: Annotated[ResNet | SimpleViT, Field(discriminator="name")]
    data: PoolData
    models_per_job: PositiveInt = 1
    sweep: Sweep
    training: Training = Training()
    sharpness: Sharpness

    @cached_property
    def models(self) -> list[str]:
        """The names of the models, in order."""
        return [f"model-{index:03d}" for index in range(self.sweep.models)]

    @cached_property
    def jobs(self) -> dict[str, list[str]]:
        """The models that share a process, by the first of them."""
        size = self.models_per_job
        groups = [self.models[i : i + size] for i in range(0, len(self.models), size)]
        return {group[0]: group for group in groups}

    @cached_property
    def first_of(self) -> dict[str, str]:
        """For each model, the first model of its process."""
        return {model: first for first, group in self.jobs.items() for model in group}


class Source(_Settings):
    """Where a data set that is not downloaded lies."""

    file: str | None = None
    folder: str | None = None


class Config(_Settings):
    """The whole configuration."""

    scale: Name
    note: str = ""
    results: str = "results"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    gpus: Annotated[int, Field(ge=0)] = 0
    offline: bool = True
    mirror: str | None = None
    cache: str = "~/.cache/sharpness"
    protocols: Annotated[list[ProtocolName], Field(min_length=1), AfterValidator(_distinct)] = [
        "paper",
        "released",
    ]
    resamples: PositiveInt = 2000
    data: dict[DataSet, Source] = Field(default_factory=dict)
    pools: Annotated[dict[Name, Pool], Field(min_length=1)]

    def source(self, name: str) -> dict[str, Any]:
        """All that determines where a data set comes from."""
        place = self.data.get(name, Source())  # type: ignore[call-overload]
        return {
            "cache": str(Path(self.cache).expanduser()),
            "mirror": self.mirror,
            "offline": self.offline,
            **place.model_dump(),
        }


def schema() -> str:
    """The JSON schema of a configuration, as YAML."""
    return yaml.safe_dump(Config.model_json_schema(), sort_keys=False, allow_unicode=True)


if __name__ == "__main__":
    print(schema(), end="")
