"""A pool: its models, trained here or published by others, and what is asked of them."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from sharpness.config.measurement import Sharpness
from sharpness.config.networks import (
    Bert,
    ClipViT,
    PhotoInputs,
    ResNet,
    SimpleViT,
    TokenInputs,
    ViT,
)
from sharpness.config.training import Sweep, Training
from sharpness.config.words import Column, DataSet, Fraction, Part, Settings
from sharpness.pools.stems import stem
from sharpness.pools.table import Member, choose, read_table


class _Pool(Settings):
    """A set of models that share one loss surface, wherever they come from."""

    title: str
    table: PositiveInt | None = None
    data: dict[Part, DataSet]
    subgroups: list[Column] = Field(default=[])
    models_per_job: PositiveInt = 1
    micro_batch: PositiveInt | None = None
    sharpness: Sharpness

    @model_validator(mode="after")
    def _both_sides(self) -> Self:
        for part in ("train", "test"):
            if part not in self.data:
                raise ValueError(f"data lacks {part!r}, which every pool needs")
        return self

    @cached_property
    def models(self) -> list[str]:
        """The names of the models, in order."""
        raise NotImplementedError

    @cached_property
    def stems(self) -> dict[str, str]:
        """The models by the stems of their files, in order."""
        return {stem(model): model for model in self.models}

    @cached_property
    def jobs(self) -> dict[str, list[str]]:
        """The stems of the models that share a process, by the first of them."""
        size, stems = self.models_per_job, list(self.stems)
        groups = [stems[i : i + size] for i in range(0, len(stems), size)]
        return {group[0]: group for group in groups}

    @cached_property
    def first_of(self) -> dict[str, str]:
        """For each stem, the first one of its process."""
        return {stem: first for first, group in self.jobs.items() for stem in group}


class SweepPool(_Pool):
    """Models that this workflow trains."""

    kind: Literal["sweep"]
    architecture: Annotated[ResNet | SimpleViT, Field(discriminator="name")]
    sweep: Sweep
    training: Training = Training()

    @cached_property
    def models(self) -> list[str]:
        """The names of the models, in order."""
        return [f"model-{index:03d}" for index in range(self.sweep.models)]


class Checkpoints(Settings):
    """Which published models: a table of them, its file format, and how many are taken."""

    models: str
    format: Literal["augreg", "soups", "bert", "bert-tf1", "cifar10-released"]
    take: PositiveInt | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    keep: bool = True


_NETWORKS = {
    "augreg": ("vit",),
    "soups": ("clip-vit",),
    "bert": ("bert",),
    "bert-tf1": ("bert",),
    "cifar10-released": ("preact-resnet", "simple-vit"),
}
"""For each file format, the networks whose weights it holds."""


class PublishedPool(_Pool):
    """Models that others have published."""

    kind: Literal["published"]
    checkpoints: Checkpoints
    architecture: Annotated[ViT | ClipViT | Bert | ResNet | SimpleViT, Field(discriminator="name")]
    inputs: Annotated[PhotoInputs | TokenInputs, Field(discriminator="name")] | None = None
    errors: Literal["evaluate", "published"] = "evaluate"
    max_test_error: Fraction | None = None

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        networks, name = _NETWORKS[self.checkpoints.format], self.architecture.name
        if name not in networks:
            form = self.checkpoints.format
            raise ValueError(f"format {form!r} holds {' or '.join(networks)}, not {name}")
        if self.sharpness.max_train_error is not None:
            raise ValueError("max_train_error is for sweeps; published models have max_test_error")
        return self

    @cached_property
    def members(self) -> dict[str, Member]:
        """The models that are taken, by name, in the table's order."""
        settings = self.checkpoints
        chosen = choose(read_table(settings.models), settings.take, settings.seed)
        return {member.model: member for member in chosen}

    @cached_property
    def models(self) -> list[str]:
        """The names of the models, in order."""
        return list(self.members)

    @property
    def network(self) -> dict[str, Any]:
        """Every size of the network, those that CIFAR-10 fixes included."""
        sizes = self.architecture.model_dump()
        if self.checkpoints.format == "cifar10-released":
            sizes |= {"in_channels": 3, "classes": 10}
            sizes |= {"image_size": 32} if sizes["name"] == "simple-vit" else {}
        return sizes

    @property
    def preparation(self) -> str:
        """The word by which published errors say how inputs were prepared."""
        if isinstance(self.inputs, PhotoInputs):
            return self.inputs.recipe
        return "bert" if self.inputs else ""


Pool = Annotated[SweepPool | PublishedPool, Field(discriminator="kind")]
