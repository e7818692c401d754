"""Configuration of the simple studies."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from sharpness.config.fields import Name, PathName
from sharpness.io.errors import UserError
from sharpness.io.validation import Count, Distinct, Models, Seed, Settings
from sharpness.studies.hammoud.procedures import PRESETS, procedure_of
from sharpness.studies.wen.runs import Catalogue, architectures, load_runs

Seeds = Annotated[list[Seed], Field(min_length=1), Distinct]
Study = Literal["linear", "diagonal", "small_networks", "two_layer_relu"]

_EXAMPLES = {"fcnn": 4177, "lenet": 60_000, "gat": 0}
"""The largest number of examples that can be chosen, by network; a graph is always whole."""


class Linear(Settings):
    """Figure 1: sharpness against the scale of a linear model's weights."""

    seed: Seed = 0


class Diagonal(Settings):
    """Figure 7: diagonal linear networks, one pool per seed."""

    networks: Models = 200
    steps: Count = 30_000
    seeds: Seeds = Field(default=[0])


class Procedure(Settings):
    """Training and measurement of a pool: a preset and overrides of its switches."""

    preset: Literal["text", "code"]
    models: Models = 50
    models_per_job: Count = 50
    base_seeds: Seeds | None = None
    overrides: dict[str, Any] = Field(default={})


class SmallNetwork(Settings):
    """One network of Hammoud et al. (2023), trained by several procedures."""

    examples: Count | None = None
    procedures: dict[Name, Procedure] = Field(min_length=1)


class Job(NamedTuple):
    """The models of one pool that are trained and measured in one process."""

    network: str
    procedure: str
    base: int
    first: int
    models: list[int]


class SmallNetworks(Settings):
    """Hammoud et al. (2023): pools of models that differ only in their seeds."""

    base_seeds: Seeds = Field(default=[0])
    networks: dict[Literal["fcnn", "lenet", "gat"], SmallNetwork] = Field(default={})

    @model_validator(mode="after")
    def _known(self) -> Self:
        for network, settings in self.networks.items():
            if (settings.examples or 0) > _EXAMPLES[network]:
                raise ValueError(
                    f"networks.{network}.examples: {settings.examples}: at most "
                    f"{_EXAMPLES[network]} can be chosen; null takes all"
                )
            for name, procedure in settings.procedures.items():
                if name in ("text", "code") and (procedure.preset != name or procedure.overrides):
                    raise ValueError(
                        f"networks.{network}.procedures.{name}: this name means the preset of "
                        "this name as it is; give another procedure another name"
                    )
                try:
                    procedure_of(network, procedure.preset, procedure.overrides)
                except UserError as problem:
                    raise ValueError(f"networks.{network}.procedures.{name}: {problem}") from None
        return self

    def jobs(self) -> Iterator[Job]:
        """Yield every job, in order."""
        for network in PRESETS:
            if network not in self.networks:
                continue
            for name, procedure in self.networks[network].procedures.items():
                size = procedure.models_per_job
                for base in procedure.base_seeds or self.base_seeds:
                    for first in range(0, procedure.models, size):
                        models = list(range(first, min(first + size, procedure.models)))
                        yield Job(network, name, base, first, models)


class TwoLayerReLU(Settings):
    """Wen, Ma and Li (2023): the runs of a table, by reduced or published schedules."""

    runs: PathName = "resources/two_layer_relu.yaml"
    schedule: Literal["default", "published"] = "default"

    @cached_property
    def catalogue(self) -> Catalogue:
        """The runs to train, read from the table ``runs``."""
        return load_runs(self.runs)

    @cached_property
    def jobs(self) -> dict[tuple[str, int], list[int]]:
        """The seeds of each process, by architecture and first seed.

        Each architecture takes one process, except that each seed of simplified BatchNorm has its
        own: it takes as long as all other runs together.
        """
        found: dict[tuple[str, int], list[int]] = {}
        for architecture, runs in architectures(self.catalogue.runs).items():
            seeds = sorted({seed for run in runs for seed in run.seeds})
            size = 1 if architecture == "batchnorm" else len(seeds)
            for i in range(0, len(seeds), size):
                found[architecture, seeds[i]] = seeds[i : i + size]
        return found


class Simple(Settings):
    """The simple studies."""

    linear: Linear = Linear()
    diagonal: Diagonal = Diagonal()
    small_networks: SmallNetworks = SmallNetworks()
    two_layer_relu: TwoLayerReLU = TwoLayerReLU()
