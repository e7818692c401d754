"""Configuration that all kinds of pools share."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import Field, PositiveInt, model_validator

from sharpness.checkpoints.table import stem
from sharpness.config.fields import DataSet, Measurements, Part, Sharpness
from sharpness.data.registry import REGISTRY
from sharpness.io.validation import Distinct, Settings, hint
from sharpness.measures.measurement import Measurement


class BasePool(Settings):
    """Settings of every pool: models of one architecture and training set."""

    title: str
    table: PositiveInt | None = None
    data: dict[str, str]
    subgroups: Annotated[list[str], Distinct] = Field(default=[])
    models_per_job: PositiveInt = 1
    micro_batch: PositiveInt | None = None
    sharpness: Measurements

    @cached_property
    def known_data(self) -> dict[str, str]:
        """The data sets that are in the registry, by part; any others are the user's own."""
        return {part: name for part, name in self.data.items() if name in REGISTRY}

    @property
    def sources(self) -> dict[str, str]:
        """What stands for each part: the name of its data set."""
        return self.data

    def check_subgroups(self, columns: Iterable[str]) -> None:
        """Raise ValueError if a subgroup names a column that the models do not have."""
        columns = list(dict.fromkeys(columns))
        for name in self.subgroups:
            if name not in columns:
                raise ValueError(f"subgroups: {name!r}: is no column; {hint(name, columns)}")

    def check_base(self, models: Iterable[str], table: str) -> None:
        """Raise ValueError if the base model is not among those of the table."""
        base, names = self.base_model, list(models)
        if base is not None and base not in names:
            raise ValueError(f"initial: {base!r}: is no model of {table}; {hint(base, names)}")

    @cached_property
    def models(self) -> list[str]:
        """The names of the models, in order."""
        raise NotImplementedError

    def made(self, standins: bool) -> dict[str, Any]:
        """Return the settings that determine the checkpoints: those of training or conversion."""
        raise NotImplementedError

    @property
    def base_model(self) -> str | None:
        """The name of the model from whose weights all others were trained, where one is named."""
        return None

    @cached_property
    def preprocessing(self) -> dict[str, Any] | None:
        """The settings of the inputs; None if the data set fixes them."""
        return None

    def plan(self, protocols: list[str]) -> dict[str, Any]:
        """Return the evaluation settings, cells as ids, in the form that ``Plan.parse`` reads.

        Definitions and measures without radii stand under ``auto``.
        """
        settings = self.sharpness.model_dump(exclude={"radii", "ablations"})
        defaults = {"parameters": "all", "precision": "float32", "compile": False}
        for name, default in defaults.items():
            if settings[name] == default:
                del settings[name]  # enters no digest
        words = settings.pop("measures")
        if words:  # with their revisions, so that a job is due where one of them changes
            found = {word: Measurement.parse(word) for word in words}
            settings["measures"] = {word: each.measure.revision for word, each in found.items()}
            if self.base_model and any(each.needs_initial for each in found.values()):
                settings["initial"] = self.base_model
        if auto := self.sharpness.auto:
            settings |= {"auto": auto, "protocols": protocols}
        return {"cells": [cell.id for cell in self.sharpness.cells(protocols)], **settings}

    @cached_property
    def stems(self) -> dict[str, str]:
        """The model names by the stems of their files, in order."""
        return {stem(model): model for model in self.models}

    @cached_property
    def jobs(self) -> dict[str, list[str]]:
        """The stems of the models that share a process, keyed by the first of them."""
        size, stems = self.models_per_job, list(self.stems)
        groups = [stems[i : i + size] for i in range(0, len(stems), size)]
        return {group[0]: group for group in groups}

    @cached_property
    def first_of(self) -> dict[str, str]:
        """For each stem, the first stem of its process."""
        return {stem: first for first, group in self.jobs.items() for stem in group}


class KnownDataPool(BasePool):
    """Settings of a pool whose data sets are all in the registry."""

    data: dict[Part, DataSet]
    sharpness: Sharpness

    @model_validator(mode="after")
    def _one_kind_of_data(self) -> Self:
        for part in ("train", "test"):
            if part not in self.data:
                raise ValueError(f"data lacks {part!r}, which every pool needs")
        if "train" not in REGISTRY[self.data["train"]].splits:
            raise ValueError(f"data.train: {self.data['train']!r}: has no training examples")
        for part, name in self.data.items():
            if REGISTRY[name].kind != self.kind_of_data:
                train = self.data["train"]
                raise ValueError(f"data.{part}: {name!r}: is not of one kind with {train!r}")
        return self

    @property
    def kind_of_data(self) -> str:
        """The kind of data that all data sets of the pool have."""
        return REGISTRY[self.data["train"]].kind
