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
        entry = REGISTRY[name]
        word = entry.source or name
        place = self.data.get(word, Source())  # type: ignore[call-overload]
        made = self.standins and entry.kind in ("photos", "text")
        given = {k: v and str(Path(v).expanduser()) for k, v in place.model_dump().items()}
        found = {**self.places(standin=made), **given}
        folders = f"{self.home}/standin/folders"
        if made and not SOURCES[word].published:
            found["folder"] = f"{folders}/{word}"
        if made and word == "imagenet":
            found["holdout"] = f"{folders}/imagenet_98_idxs.npy"
        return found

    def places(self, *, standin: bool) -> dict[str, Any]:
        """Where downloads come from and are kept; stand-ins never meet the real files."""
        if standin:
            own = f"{self.home}/standin"
            places = {"cache": f"{own}/cache", "mirror": f"{own}/mirror", "offline": True}
            return {**places, "standin": True}
        return {
            "cache": str(Path(self.cache).expanduser()),
            "mirror": self.mirror,
            "offline": self.offline,
            "standin": False,
        }


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
