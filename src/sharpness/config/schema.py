"""The root class of the configuration, its validation, and its JSON schema."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, model_validator

from sharpness.config.fields import Name, PathName, ProtocolName, Results, SourceName
from sharpness.config.own import ModelsPool
from sharpness.config.pools import Pool
from sharpness.config.studies import Simple, Study
from sharpness.data.locate import within_reach
from sharpness.data.registry import REGISTRY, SOURCES, user_copy_key
from sharpness.evaluation.plan import REVISION
from sharpness.io.errors import UserError
from sharpness.io.validation import Count, Distinct, Seed, Settings, checked
from sharpness.statistics.headline import beside_the_headline
from sharpness.studies.hammoud.procedures import DATA


class DataLocation(Settings):
    """The local path of a data set, and of its list of held-out examples."""

    file: PathName | None = None
    folder: PathName | None = None
    holdout: PathName | None = None


class Sample(Settings):
    """The random sample of training examples used where a training set is too large."""

    examples: Count = 50_000
    seed: Seed = 0


FOLDERS = {"benchmarks", "data", "fetched", "figures", "logs", "simple", "standin", "tables"}
"""Folders beside the pools' folders in the results of a scale; no pool may have such a name."""

TRAINING = {"digits": 1000, "cifar10": 50_000}
"""Number of examples of the training sets that are used whole; other sets are sampled."""


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
    cache: Annotated[PathName, Field(validate_default=True)] = "~/.cache/sharpness"
    photo_cache: PathName | None = None
    protocols: Annotated[list[ProtocolName], Distinct] = Field(
        default=["paper", "released"], min_length=1
    )
    resamples: Count = 2000
    sample: Sample = Sample()
    studies: Annotated[list[Study], Distinct] = Field(default=[])
    simple: Simple = Simple()
    data: dict[SourceName, DataLocation] = Field(default_factory=dict)
    pools: Annotated[dict[Name, Pool], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _left_out(cls, raw: Any) -> Any:
        """Leave out what an overlay cannot remove: pools that are null, the note of scale mini."""
        if not isinstance(raw, Mapping):
            return raw
        found = dict(raw)
        if found.get("scale") != "mini" and str(found.get("note")).startswith("mini:"):
            del found["note"]
        if isinstance(pools := found.get("pools"), Mapping):
            found["pools"] = {name: pool for name, pool in pools.items() if pool is not None}
        return found

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        for word, source in self.data.items():
            user_copy_key(word, source.model_dump())
        for name, pool in self.pools.items():
            if name in FOLDERS:
                raise ValueError(f"pools.{name}: has the name of a folder; call the pool another")
            if isinstance(pool, ModelsPool):
                continue
            points, train = pool.sharpness.points, pool.data["train"]
            most = TRAINING.get(train, self.sample.examples)
            if points > most:
                whose = train if train in TRAINING else "the sample (sample.examples)"
                raise ValueError(f"pools.{name}.sharpness.points: {points}: {whose} has {most}")
        return self

    @property
    def home(self) -> str:
        """The folder of all results of this scale."""
        return f"{self.results}/{self.scale}"

    def source(self, name: str) -> dict[str, Any]:
        """Return the settings that determine a data set's origin, as `locate` reads them."""
        word = REGISTRY[name].source or name
        place = self.data.get(word, DataLocation())
        given = {k: v and str(Path(v)) for k, v in place.model_dump().items()}
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
        """Return cache, mirror and offline flag; those of stand-ins are apart from the real ones.

        Args:
            standin: a pool's name or ``data`` for stand-ins; empty for the real files.
        """
        if standin:
            own = f"{self.home}/standin/{standin}"
            return {"cache": f"{own}/cache", "mirror": f"{own}/mirror", "offline": True}
        return {"cache": str(Path(self.cache)), "mirror": self.mirror, "offline": self.offline}

    def records(self, parts: Mapping[str, str]) -> dict[str, str]:
        """Return the path of each data set's record, for a mapping of keys to data sets."""
        return {part: f"{self.home}/data/{name}.json" for part, name in parts.items()}

    def wanted(self, name: str) -> dict[str, Any]:
        """Return all settings of a pool's files; rule pool rejects files made with other ones."""
        pool = self.pools[name]
        return {
            "models": pool.models,
            "data": pool.sources,
            "made": pool.made(self.standins),
            "plan": pool.plan(self.protocols),
            "revision": REVISION,
            "max_test_error": getattr(pool, "max_test_error", None),
        }

    @property
    def measured(self) -> list[str]:
        """The pools with measures beside the headline cells, which figure ``measures`` shows."""
        plans = {name: pool.plan(self.protocols) for name, pool in self.pools.items()}
        return [
            name
            for name, plan in plans.items()
            if beside_the_headline([*plan["cells"], *plan.get("measures", ())])
        ]

    def study_note(self, study: str) -> str:
        """Return a note on the scale of a study; empty if it is the paper's."""
        if study == "two_layer_relu" and self.simple.two_layer_relu.schedule == "default":
            return "reduced schedules"
        if study != "small_networks" or self.scale == "paper":
            return ""
        parts = []
        for name, network in self.simple.small_networks.networks.items():
            most = max(procedure.models for procedure in network.procedures.values())
            data = f" on {network.examples} examples" if network.examples else ""
            standin = " (stand-in)" if self.source(DATA[name])["standin"] else ""
            parts.append(f"{most} {name}{data}{standin}")
        return f"{self.scale}: {', '.join(parts)}" if parts else ""


def _made(name: str, real: dict[str, Any]) -> bool:
    """Return whether a stand-in replaces a data set when stand-ins are on.

    Small data sets are used themselves if the user names a copy or they can be fetched.
    """
    kind = REGISTRY[name].kind
    if kind == "arrays":
        return not (real["file"] or real["folder"] or within_reach(name, real))
    return kind in ("photos", "text")


def validated(raw: Mapping[str, Any]) -> Config:
    """Validate the configuration that Snakemake merged and return it as a `Config`.

    Raises:
        UserError: names, in one line, the key, its value, the fault and the nearest valid name.
    """
    settings = checked(Config, raw, "configuration")
    try:
        _ = settings.simple.two_layer_relu.catalogue  # fails here, before any job runs
    except UserError as problem:
        raise UserError(f"configuration: simple.two_layer_relu.runs: {problem}") from None
    return settings


def merged(base: Any, overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with an overlay, merged as Snakemake does: mappings by key."""
    both = dict(base)
    for key, value in overlay.items():
        inner = base.get(key)
        nested = isinstance(value, Mapping) and isinstance(inner, dict)
        both[key] = merged(inner, value) if nested else value
    return both


def schema() -> str:
    """Return the JSON schema of the configuration as YAML; it allows no unknown keys."""
    whole = Config.model_json_schema()
    _close(whole)
    return yaml.safe_dump(whole, sort_keys=False, allow_unicode=True)


def _close(place: Any) -> None:
    """Forbid keys that match no pattern; pydantic leaves ``additionalProperties`` open there."""
    if isinstance(place, dict) and "patternProperties" in place:
        place["additionalProperties"] = False
    if isinstance(place, dict | list):
        for inner in place.values() if isinstance(place, dict) else place:
            _close(inner)
