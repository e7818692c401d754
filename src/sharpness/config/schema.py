"""The whole configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, model_validator

from sharpness.config.fields import Name, PathName, ProtocolName, Results, SourceName
from sharpness.config.pools import Pool
from sharpness.config.studies import Simple, Study
from sharpness.data.locate import within_reach
from sharpness.data.registry import REGISTRY, SOURCES, named
from sharpness.io.errors import UserError
from sharpness.io.validation import Count, Distinct, Seed, Settings, checked


class DataLocation(Settings):
    """Where a data set that is not downloaded lies, and which of its examples are held out."""

    file: PathName | None = None
    folder: PathName | None = None
    holdout: PathName | None = None


class Sample(Settings):
    """The training examples that are looked at where a training set is too large for all."""

    examples: Count = 50_000
    seed: Seed = 0


FOLDERS = {"benchmarks", "data", "fetched", "figures", "logs", "simple", "standin", "tables"}
"""What lies beside the pools in the folder of a scale."""

_EXAMPLES = {"digits": 1000, "cifar10": 50_000}
"""Of the training sets that are taken whole; of others there is a sample."""


class Config(Settings):
    """The whole configuration."""

    scale: Name
    note: str = ""
    results: Results = "results"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    gpus: Annotated[int, Field(ge=0, le=64)] = 0
    jobs_per_card: Annotated[int, Field(gt=0, le=64)] = 1
    num_workers: Annotated[int, Field(gt=0, le=1024)] = 1
    offline: bool = True
    standins: bool = False
    mirror: PathName | None = None
    cache: PathName = "~/.cache/sharpness"
    protocols: Annotated[list[ProtocolName], Distinct] = Field(
        default=["paper", "released"], min_length=1
    )
    resamples: Count = 2000
    sample: Sample = Sample()
    studies: Annotated[list[Study], Distinct] = Field(default=[])
    simple: Simple = Simple()
    data: dict[SourceName, DataLocation] = Field(default_factory=dict)
    pools: Annotated[dict[Name, Pool], Field(min_length=1)]

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        for word, source in self.data.items():
            named(word, source.model_dump())
        for name, pool in self.pools.items():
            if name in FOLDERS:
                raise ValueError(f"pools.{name}: has the name of a folder; call the pool another")
            points, train = pool.sharpness.points, pool.data["train"]
            most = _EXAMPLES.get(train, self.sample.examples)
            if points > most:
                whose = train if train in _EXAMPLES else "the sample (sample.examples)"
                raise ValueError(f"pools.{name}.sharpness.points: {points}: {whose} has {most}")
        return self

    @property
    def home(self) -> str:
        """The folder of all that a run makes."""
        return f"{self.results}/{self.scale}"

    def source(self, name: str) -> dict[str, Any]:
        """All that determines where a data set comes from."""
        word = REGISTRY[name].source or name
        place = self.data.get(word, DataLocation())
        given = {k: v and _home(v) for k, v in place.model_dump().items()}
        real = {**self.places(), **given, "standin": None}
        if not self.standins or not _made(name, real):
            return real
        listed = f"{self.home}/standin/data.json"
        found = {**self.places(standin="data"), **given, "standin": listed}
        folders = f"{self.home}/standin/data/folders"
        if not SOURCES[word].published:
            found["folder"] = f"{folders}/{word}"
        if word == "imagenet":
            found["holdout"] = f"{folders}/imagenet_98_idxs.npy"
        return found

    def places(self, standin: str = "") -> dict[str, Any]:
        """Where downloads come from and are kept; stand-ins never meet the real files.

        Args:
            standin: whose stand-ins are meant: a pool's, or ``data``; empty for the real files.
        """
        if standin:
            own = f"{self.home}/standin/{standin}"
            return {"cache": f"{own}/cache", "mirror": f"{own}/mirror", "offline": True}
        return {"cache": _home(self.cache), "mirror": self.mirror, "offline": self.offline}


def _made(name: str, real: dict[str, Any]) -> bool:
    """Whether a data set has a stand-in, and that is used where stand-ins are.

    The small ones are used themselves where the user names them, or they can be had.
    """
    kind = REGISTRY[name].kind
    if kind == "arrays":
        return not (real["file"] or real["folder"] or within_reach(name, real))
    return kind in ("photos", "text")


def validated(raw: Mapping[str, Any]) -> Config:
    """The typed form of a configuration as Snakemake merged it.

    Raises:
        UserError: in one line: the key, its value, what is wrong, and the nearest valid name.
    """
    settings = checked(Config, raw, "configuration")
    try:
        _ = settings.simple.two_layer_relu.catalogue  # read here, before anything runs
    except UserError as problem:
        raise UserError(f"configuration: simple.two_layer_relu.runs: {problem}") from None
    return settings


def _home(path: str) -> str:
    """A path with the home of its user written out, if there is such a user."""
    return str(Path(os.path.expanduser(path)))


def schema() -> str:
    """The JSON schema of a configuration, as YAML; no part of it allows unknown keys."""
    whole = Config.model_json_schema()
    _close(whole)
    return yaml.safe_dump(whole, sort_keys=False, allow_unicode=True)


def _close(place: Any) -> None:
    """Allow no key beside those that fit a pattern, which pydantic leaves open."""
    if isinstance(place, dict) and "patternProperties" in place:
        place["additionalProperties"] = False
    if isinstance(place, dict | list):
        for inner in place.values() if isinstance(place, dict) else place:
            _close(inner)
