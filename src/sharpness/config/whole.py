"""The whole configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field

from sharpness.config.pools import Pool
from sharpness.config.simple import Simple, Study
from sharpness.config.sources import Sample, Source, SourceName
from sharpness.config.words import (
    Count,
    Folder,
    Mirror,
    Name,
    ProtocolName,
    Results,
    Settings,
    distinct,
)
from sharpness.data.places import within_reach
from sharpness.data.registry import REGISTRY, SOURCES


class Config(Settings):
    """The whole configuration."""

    scale: Name
    note: str = ""
    results: Results = "results"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    gpus: Annotated[int, Field(ge=0, le=64)] = 0
    jobs_per_card: Annotated[int, Field(gt=0, le=64)] = 1
    decoders: Annotated[int, Field(gt=0, le=1024)] = 1
    offline: bool = True
    standins: bool = False
    mirror: Mirror | None = None
    cache: Folder = "~/.cache/sharpness"
    protocols: Annotated[list[ProtocolName], AfterValidator(distinct)] = Field(
        default=["paper", "released"], min_length=1
    )
    resamples: Count = 2000
    sample: Sample = Sample()
    studies: Annotated[list[Study], AfterValidator(distinct)] = Field(default=[])
    simple: Simple = Simple()
    data: dict[SourceName, Source] = Field(default_factory=dict)
    pools: Annotated[dict[Name, Pool], Field(min_length=1)]

    @property
    def home(self) -> str:
        """The folder of all that a run makes."""
        return f"{self.results}/{self.scale}"

    def source(self, name: str) -> dict[str, Any]:
        """All that determines where a data set comes from."""
        word = REGISTRY[name].source or name
        place = self.data.get(word, Source())  # type: ignore[call-overload]
        given = {k: v and str(Path(v).expanduser()) for k, v in place.model_dump().items()}
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
        cache = str(Path(self.cache).expanduser())
        return {"cache": cache, "mirror": self.mirror, "offline": self.offline}


def _made(name: str, real: dict[str, Any]) -> bool:
    """Whether a data set has a stand-in, and that is used where stand-ins are.

    The small ones are used themselves where the user names them, or they can be had.
    """
    kind = REGISTRY[name].kind
    if kind == "arrays":
        return not (real["file"] or real["folder"] or within_reach(name, real))
    return kind in ("photos", "text")


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
