"""Configuration of a pool: its models (trained here, published, or the user's own) and data."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from sharpness.checkpoints.convert import REVISION as FORMATS_REVISION
from sharpness.checkpoints.table import PublishedModel, choose, read_table, stem
from sharpness.config.base_pool import KnownDataPool
from sharpness.config.fields import (
    Bert,
    ClipViT,
    PathName,
    PhotoInputs,
    ResNet,
    SimpleViT,
    TokenInputs,
    ViT,
)
from sharpness.config.own import ModelsPool
from sharpness.io.validation import Fraction, Models, Seed, Settings
from sharpness.networks import check_sizes
from sharpness.training.hyperparameters import REVISION as TRAINING_REVISION
from sharpness.training.hyperparameters import Space, Training

_SIDES = {"digits": 8, "cifar": 32}
"""Image size in pixels, by the kind of data that a sweep is trained on."""

_SUITS = {
    "vit": ("photos", "photos"),
    "clip-vit": ("photos", "photos"),
    "bert": ("text", "tokens"),
    "preact-resnet": ("cifar", None),
    "simple-vit": ("cifar", None),
}
"""For each network of published models: the kind of its data and the name of its inputs."""


class Sweep(Space):
    """The hyper-parameter distribution of a pool's models, their number and the seed."""

    models: Models
    seed: Seed = 0

    @property
    def space(self) -> dict[str, Any]:
        """The distribution of the hyper-parameters, without number and seed."""
        return self.model_dump(exclude={"models", "seed"})


class SweepPool(KnownDataPool):
    """A pool of models that this workflow trains."""

    kind: Literal["sweep"]
    architecture: Annotated[ResNet | SimpleViT, Field(discriminator="name")]
    sweep: Sweep
    training: Training = Training()

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.kind_of_data not in _SIDES:
            raise ValueError(f"data.train: {self.data['train']!r}: no sweep is trained on it")
        check_sizes({**self.architecture.model_dump(), "image_size": _SIDES[self.kind_of_data]})
        self.check_subgroups(self.sweep.space)
        return self

    @cached_property
    def models(self) -> list[str]:
        """The names of the models, in order."""
        return [f"model-{index:03d}" for index in range(self.sweep.models)]

    def made(self, standins: bool) -> dict[str, Any]:
        """Return the settings that determine the checkpoints: those of training."""
        return {
            "seed": self.sweep.seed,
            "space": self.sweep.space,
            "architecture": self.architecture.model_dump(),
            "settings": self.training.model_dump(),
            "revision": TRAINING_REVISION,
        }

    def plan(self, protocols: list[str]) -> dict[str, Any]:
        """Return the evaluation settings, including the augmentations used in training."""
        return super().plan(protocols) | {"augment_operations": self.training.augment_operations}


class Checkpoints(Settings):
    """The published models: their table, the file format, and how many are used.

    ``initial`` names the model of the table from whose weights all others were trained.
    """

    models: PathName
    format: Literal["augreg", "soups", "bert", "bert-tf1", "cifar10-released"]
    take: PositiveInt | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    keep: bool = True
    initial: str | None = None


_NETWORKS = {
    "augreg": ("vit",),
    "soups": ("clip-vit",),
    "bert": ("bert",),
    "bert-tf1": ("bert",),
    "cifar10-released": ("preact-resnet", "simple-vit"),
}
"""For each file format, the networks whose weights it can hold."""


class PublishedPool(KnownDataPool):
    """A pool of models that others have published."""

    kind: Literal["published"]
    checkpoints: Checkpoints
    architecture: Annotated[ViT | ClipViT | Bert | ResNet | SimpleViT, Field(discriminator="name")]
    inputs: Annotated[PhotoInputs | TokenInputs, Field(discriminator="name")] | None = None
    errors: Literal["evaluate", "published"] = "evaluate"
    max_test_error: Fraction | None = None

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        form, network = self.checkpoints.format, self.architecture.name
        if network not in (networks := _NETWORKS[form]):
            raise ValueError(f"format {form!r} holds {' or '.join(networks)}, not {network}")
        if self.sharpness.max_train_error is not None and form != "cifar10-released":
            raise ValueError(
                "max_train_error is for sweeps and format cifar10-released; other published models "
                "have max_test_error"
            )
        kind, inputs = _SUITS[network]
        if self.kind_of_data != kind:
            raise ValueError(f"data.train: {self.data['train']!r}: is no data for {network}")
        if (self.inputs.name if self.inputs else None) != inputs:
            raise ValueError(f"inputs: {network} needs {inputs or 'none; remove it'}")
        self._check_network()
        self.check_base((row.model for row in self.table_rows), self.checkpoints.models)
        for name, ablation in self.sharpness.ablations.items():
            if inputs and "augmented" in ablation.data:
                raise ValueError(f"sharpness.ablations.{name}.data: {kind} have no augmented views")
        self.check_subgroups(key for member in self.members.values() for key in member.parameters)
        return self

    def _check_network(self) -> None:
        """Raise ValueError if sizes contradict each other, the inputs or the classes."""
        network, inputs = self.architecture, self.inputs
        check_sizes(self.network)
        if isinstance(network, Bert) and network.classes != 3:
            raise ValueError(f"architecture.classes: {network.classes}: mnli has 3 classes")
        if isinstance(network, Bert) and isinstance(inputs, TokenInputs):
            length, most = inputs.length, network.positions
            if length > most:
                raise ValueError(f"inputs.length: {length}: architecture.positions is {most}")
        if isinstance(network, ViT | ClipViT) and isinstance(inputs, PhotoInputs):
            size, side = inputs.size, network.image_size
            if size != side:
                raise ValueError(f"inputs.size: {size}: architecture.image_size is {side}")

    @cached_property
    def table_rows(self) -> list[PublishedModel]:
        """The models of the table."""
        return read_table(self.checkpoints.models)

    @cached_property
    def members(self) -> dict[str, PublishedModel]:
        """The models that are used, by name, in the table's order."""
        chosen = choose(self.table_rows, self.checkpoints.take, self.checkpoints.seed)
        return {member.model: member for member in chosen}

    @cached_property
    def converted(self) -> dict[str, PublishedModel]:
        """The models that are converted, by stem: those that are used, and ``base_model``."""
        rest = [member for member in self.table_rows if member.model == self.base_model]
        return {stem(member.model): member for member in [*self.members.values(), *rest]}

    @property
    def base_model(self) -> str | None:
        """The name of the model from whose weights all others were trained, where one is named."""
        return self.checkpoints.initial

    @cached_property
    def models(self) -> list[str]:
        """The names of the models, in order."""
        return list(self.members)

    def made(self, standins: bool) -> dict[str, Any]:
        """Return the settings that determine each checkpoint: those of its conversion."""
        same = {
            "format": self.checkpoints.format,
            "architecture": self.network,
            "standin": standins,
            "revision": FORMATS_REVISION,
        }
        return {
            name: {**same, "source": model.file or model.url, "hyperparameters": model.parameters}
            for name, model in self.members.items()
        }

    @cached_property
    def network(self) -> dict[str, Any]:
        """All sizes of the network, including those that CIFAR-10 fixes."""
        sizes = self.architecture.model_dump()
        if self.checkpoints.format == "cifar10-released":
            sizes |= {"in_channels": 3, "classes": 10}
            sizes |= {"image_size": 32} if sizes["name"] == "simple-vit" else {}
        return sizes

    @cached_property
    def preprocessing(self) -> dict[str, Any] | None:
        """The settings of the inputs, with the size of a vocabulary."""
        if self.inputs is None:
            return None
        tokens = {"tokens": self.network["vocabulary"]} if self.inputs.name == "tokens" else {}
        return {**self.inputs.model_dump(), **tokens}

    @property
    def preparation(self) -> str:
        """The name of the preprocessing in the table of published errors."""
        if isinstance(self.inputs, PhotoInputs):
            return self.inputs.recipe
        return "bert" if self.inputs else ""


Pool = Annotated[SweepPool | PublishedPool | ModelsPool, Field(discriminator="kind")]
