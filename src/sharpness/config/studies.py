"""Configuration of the simple studies."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property
from itertools import product
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from sharpness.config.fields import Name, PathName
from sharpness.io.errors import UserError
from sharpness.io.validation import Count, Distinct, Models, Seed, Settings
from sharpness.studies.hammoud.procedures import DATA, PRESETS, procedure_of
from sharpness.studies.wen.runs import Catalogue, architectures, load_runs

Seeds = Annotated[list[Seed], Field(min_length=1), Distinct]
Network = Literal["fcnn", "lenet", "gat"]
Study = Literal["linear", "diagonal", "small_networks", "two_layer_relu"]

EXAMPLES = {"fcnn": 4177, "lenet": 60_000, "gat": 0}
"""The largest number of examples that can be chosen, by network; a graph is always whole."""


class Linear(Settings):
    """Figure 1: sharpness against the scale of a linear model's weights."""

    seed: Seed = 0


class Diagonal(Settings):
    """Figure 7: diagonal linear networks, one pool per seed.

    Attributes:
        reversal: seed of the task in the second block of panels, chosen because its traces and
            largest eigenvalues rank networks in reverse; None leaves it out.
    """

    networks: Models = 200
    steps: Count = 30_000
    seeds: Seeds = Field(default=[0])
    reversal: Seed | None = 8


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


class SmallNetworks(Settings):
    """Hammoud et al. (2023): pools of models that differ only in their seeds."""

    base_seeds: Seeds = Field(default=[0])
    networks: dict[Network, SmallNetwork] = Field(default={})

    @model_validator(mode="after")
    def _known(self) -> Self:
        for network, settings in self.networks.items():
            if (settings.examples or 0) > EXAMPLES[network]:
                raise ValueError(
                    f"networks.{network}.examples: {settings.examples}: at most "
                    f"{EXAMPLES[network]} can be chosen; null takes all"
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

    @cached_property
    def jobs(self) -> dict[tuple[str, str, str, str], list[int]]:
        """The models of each process, by network, procedure, base seed and first model."""
        found: dict[tuple[str, str, str, str], list[int]] = {}
        for network in [name for name in PRESETS if name in self.networks]:
            for name, procedure in self.networks[network].procedures.items():
                most, size = procedure.models, procedure.models_per_job
                for base, first in product(
                    procedure.base_seeds or self.base_seeds, range(0, most, size)
                ):
                    models = list(range(first, min(first + size, most)))
                    found[network, name, str(base), str(first)] = models
        return found

    @property
    def data(self) -> list[str]:
        """The data sets of all networks."""
        return sorted({DATA[network] for network in self.networks})

    def switches(self, network: Network, procedure: str) -> dict[str, Any]:
        """Return all switches of a procedure: its preset's, with its overrides."""
        chosen = self.networks[network].procedures[procedure]
        return asdict(procedure_of(network, chosen.preset, chosen.overrides))


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

    def files(self, study: str, home: str) -> dict[str, str | list[str]]:
        """Return the files that a study's summary reads, by content; ``home`` holds the results."""
        data, home = f"{home}/data", f"{home}/simple/{study}"
        if study == "linear":
            return {"curves": f"{home}/curves.csv"}
        if study == "diagonal":
            chosen = [] if self.diagonal.reversal is None else [self.diagonal.reversal]
            return {
                kind: [f"{home}/networks-{seed}.csv" for seed in seeds]
                for kind, seeds in (("networks", self.diagonal.seeds), ("reversal", chosen))
            }
        if study == "small_networks":
            jobs = self.small_networks.jobs
            return {
                "models": [f"{home}/{job[0]}/{'-'.join(job[1:])}.csv" for job in jobs],
                "records": [f"{data}/{name}.json" for name in self.small_networks.data],
            }
        stems = [f"{home}/{name}-{seed}" for name, seed in self.two_layer_relu.jobs]
        return {
            "catalogue": self.two_layer_relu.runs,
            "solutions": [f"{stem}-solutions.csv" for stem in stems],
            "curves": [f"{stem}-curves.csv" for stem in stems],
            "weights": [f"{stem}.safetensors" for stem in stems],
        }
