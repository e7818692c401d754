"""Configuration of a pool of the user's own models, which a table lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict
from functools import cached_property
from os.path import normpath
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from sharpness.config.base_pool import BasePool
from sharpness.config.fields import DefinitionId, Measurements, PathName, Radii
from sharpness.io.files import expanded
from sharpness.io.validation import Number, Positive, Settings
from sharpness.measures.definition import PAPER
from sharpness.measures.measurement import AUTO
from sharpness.networks import Size
from sharpness.report.figures.catalogue import PART_PATTERN
from sharpness.sources import REVISION as SOURCES_REVISION
from sharpness.sources.grammar import MODULE, parse_data, parse_model
from sharpness.sources.table import OwnModel, read_own_table

GIVEN = "errors given in the table"


def _data(text: str) -> str:
    """Return the name of a data set with its path expanded."""
    scheme, rest = parse_data(text)
    return f"{scheme}:{expanded(rest)}" if scheme in ("imagefolder", "csv") else text


def _one_or_auto(value: Any) -> Any:
    """Return None for "auto"."""
    if value is None or (isinstance(value, str) and value != AUTO):
        raise ValueError(f"it is a list of numbers, or {AUTO}")
    return None if value == AUTO else value


def _all_or_auto(value: Any) -> Any:
    return dict.fromkeys((definition.id for definition in PAPER), AUTO) if value == AUTO else value


_LIST = {"type": "array", "minItems": 1, "items": {"type": "number", "exclusiveMinimum": 0}}
_AUTO = {"const": AUTO}
_CHOICE = {"anyOf": [_AUTO, _LIST]}

OwnPart = Annotated[str, Field(pattern=PART_PATTERN, max_length=50)]
OwnData = Annotated[str, AfterValidator(_data)]
OwnRadii = Annotated[Radii | None, BeforeValidator(_one_or_auto)]
Channels = Annotated[list[Annotated[float, Number]], Field(min_length=1, max_length=4)]


class OwnMeasurements(Measurements):
    """Settings of the sharpness measurements; radii that are ``auto`` are found by a rule."""

    radii: Annotated[
        dict[DefinitionId, OwnRadii],
        Field(min_length=1),
        BeforeValidator(_all_or_auto),
        WithJsonSchema({"anyOf": [_AUTO, {"type": "object", "additionalProperties": _CHOICE}]}),
    ]

    @property
    def given_radii(self) -> dict[str, list[float]]:
        """The radii of the definitions for which the configuration gives them."""
        return {name: radii for name, radii in self.radii.items() if radii is not None}

    @property
    def auto(self) -> list[str]:
        """The definitions and measures whose radii are to be found."""
        return [*(name for name, radii in self.radii.items() if radii is None), *super().auto]


class Inputs(Settings):
    """Size in pixels, mean and standard deviation of images, for models that do not state them."""

    size: Size
    mean: Channels
    std: Annotated[list[Positive], Field(min_length=1, max_length=4)]

    @model_validator(mode="after")
    def _alike(self) -> Self:
        if len(self.mean) != len(self.std):
            raise ValueError(f"mean has {len(self.mean)} numbers, std has {len(self.std)}")
        if not all(0 <= value <= 1 for value in self.mean):
            raise ValueError(f"mean {self.mean}: is that of pixels in [0, 1]")
        return self


class ModelsPool(BasePool):
    """A pool of the user's own models on data of their own."""

    kind: Literal["models"]
    title: str = "Own models"
    list_file: PathName = Field(alias="models")
    data: dict[OwnPart, OwnData]
    labels: PathName | None = None
    initial: str | None = None
    inputs: Inputs | None = None
    models_per_job: Annotated[int, Field(gt=0)] = 8
    sharpness: OwnMeasurements

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if "train" not in self.data:
            raise ValueError("data lacks 'train', on which sharpness is measured")
        if self.table is not None:
            raise ValueError(f"table: {self.table}: tables are for the paper's pools; remove it")
        for name, ablation in self.sharpness.ablations.items():
            if "augmented" in ablation.data:
                raise ValueError(f"sharpness.ablations.{name}.data: own data are not augmented")
        if self.labels and not Path(self.labels).is_file():
            raise ValueError(f"labels: {self.labels}: no such file")
        for problem in (*self._wrong_columns(), *self._wrong_inputs()):
            raise ValueError(problem)
        self.check_base(self.models, self.list_file)
        self.check_subgroups(self.columns)
        return self

    def _wrong_columns(self) -> Iterator[str]:
        """Yield what is wrong with the table's columns and the parts."""
        table = self.list_file
        for name in self.given_parts:
            if not re.fullmatch(PART_PATTERN, name):
                yield f"{table}: column 'error_{name}': {name!r} is no name of a part; use letters"
        if "train" in self.given_parts:
            yield f"{table}: column 'error_train': that error is always measured; remove the column"
        for name, text in self.data.items():
            same = name != "train" and normpath(text) == normpath(self.data["train"])
            if same and parse_data(text)[0] in ("imagefolder", "csv"):
                yield f"data.{name}: is the training data, {text}; name others"
        if "test" not in self.parts:
            yield f"data lacks 'test', and {table} has no column error_test; give one of them"

    def _wrong_inputs(self) -> Iterator[str]:
        """Yield that models of a function need the preprocessing of images."""
        own = any(parse_model(m.source.source)[0] == MODULE for m in self.members.values())
        images = next((d for d in self.data.values() if d.startswith("imagefolder:")), "")
        if own and images and self.inputs is None:
            needs = f"inputs: {images} needs size, mean and std for models of a function"
            yield f"{needs}, such as {{size: 32, mean: [0.5], std: [0.5]}}"

    @cached_property
    def members(self) -> dict[str, OwnModel]:
        """The models, by name, in the table's order."""
        return {own.model: own for own in read_own_table(self.list_file)}

    @cached_property
    def models(self) -> list[str]:
        """The names of the models, in order."""
        return list(self.members)

    @property
    def base_model(self) -> str | None:
        """The name of the model from whose weights all others were trained, where one is named."""
        return self.initial

    @cached_property
    def columns(self) -> list[str]:
        """The names of the hyper-parameters, in the table's order."""
        return list(dict.fromkeys(key for own in self.members.values() for key in own.parameters))

    @cached_property
    def given_parts(self) -> list[str]:
        """The parts of which the table gives errors."""
        return list(dict.fromkeys(part for own in self.members.values() for part in own.errors))

    @property
    def parts(self) -> list[str]:
        """All parts: those of the data, and those of which only errors are given."""
        return list(dict.fromkeys([*self.data, *self.given_parts]))

    @cached_property
    def opened(self) -> dict[str, str]:
        """The data sets that are read, by part: all but those whose errors are all given."""
        given = set.intersection(*(set(own.errors) for own in self.members.values()))
        return {part: text for part, text in self.data.items() if part not in given}

    @property
    def sources(self) -> dict[str, str]:
        """What stands for each part: its data set, or `GIVEN` where only errors are given."""
        return {part: self.data.get(part, GIVEN) for part in self.parts}

    @cached_property
    def preprocessing(self) -> dict[str, Any] | None:
        """The settings of the inputs; None takes each model's own."""
        return self.inputs.model_dump() if self.inputs else None

    @cached_property
    def random(self) -> list[str]:
        """The models whose weights are certainly random."""
        return [
            own.model
            for own in self.members.values()
            if not (own.source.checkpoint or own.source.pretrained)
            and parse_model(own.source.source)[0] != MODULE
        ]

    def made(self, standins: bool) -> dict[str, Any]:
        """Return the settings that determine each checkpoint: whence the model is taken."""
        return {
            name: {
                "own": {"source": asdict(own.source), "inputs": self.preprocessing},
                "hyperparameters": dict(own.parameters),
                "standin": False,
                "revision": SOURCES_REVISION,
            }
            for name, own in self.members.items()
        }
