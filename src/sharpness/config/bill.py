"""The bill of a configuration: jobs and hours by step, disk, memory, and what the rules ask for.

Hours are of one core or one card. Those of training and evaluation come from `cost` and `speed`;
those of the jobs beside them from ``resources/job_costs.csv``, which were measured once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sharpness.config.cost import Cost, cost_of, examples_of, kinds_of
from sharpness.config.fields import PhotoInputs
from sharpness.config.own import ModelsPool
from sharpness.config.pools import Pool, PublishedPool, SweepPool
from sharpness.config.required import items, needed_data, needed_parts
from sharpness.config.schema import TRAINING, Config
from sharpness.config.sheet import own_sheet
from sharpness.config.speed import Speed
from sharpness.config.studies import EXAMPLES
from sharpness.data.photo_cache import record_of
from sharpness.data.recipes import Recipe
from sharpness.io.download import place
from sharpness.io.errors import UserError
from sharpness.io.files import read_rows
from sharpness.report.figures.catalogue import load_catalogue

STEPS = ("data and checkpoints", "training", "evaluation", "correlation and figures", "studies")

LIBRARIES = 0.7
"""GB that a process takes with the libraries alone."""


@dataclass(frozen=True)
class Jobs:
    """Jobs of one rule: their step, number, and seconds together; None where unknown."""

    step: str
    rule: str
    jobs: int
    seconds: float | None


@dataclass(frozen=True)
class PoolHours:
    """Hours of a pool's steps for all models together."""

    training: float
    errors: float
    sharpness: float

    @property
    def total(self) -> float:
        """All three."""
        return self.training + self.errors + self.sharpness


def costs_of(settings: Config) -> dict[str, Cost]:
    """Return the cost of each pool whose networks are known beforehand."""
    parts, kept, costs = needed_parts(settings), dict[str, Kept](), {}
    for name, pool in settings.pools.items():
        if isinstance(pool, ModelsPool):
            continue
        costs[name] = cost_of(settings, name, parts[name])
        if settings.photo_cache:
            own = _kept_by(settings, pool, parts[name])
            photos = sum(each.photos for title, each in own.items() if title not in kept)
            costs[name] = replace(costs[name], photos=photos)
            kept |= own
    return costs


@dataclass(frozen=True)
class Kept:
    """Resized photos of a data set in `photo_cache`, and their bytes."""

    photos: int
    bytes: int


def kept_photos(settings: Config) -> dict[str, Kept]:
    """Return what a run keeps in `photo_cache`, by data set and recipe, which pools share."""
    found: dict[str, Kept] = {}
    for name, parts in needed_parts(settings).items() if settings.photo_cache else ():
        found |= _kept_by(settings, settings.pools[name], parts)
    return found


def _kept_by(settings: Config, pool: Pool, parts: Mapping[str, str]) -> dict[str, Kept]:
    if not (isinstance(pool, PublishedPool) and isinstance(pool.inputs, PhotoInputs)):
        return {}
    recipe = Recipe(pool.inputs.recipe, pool.inputs.size)
    size, found = record_of(recipe).itemsize, {}
    for part, photos in examples_of(settings, pool, parts).items():
        title = f"{pool.data[part]} {'train' if part == 'train' else 'test'}"
        found[f"{title} {recipe.name} {recipe.size}"] = Kept(photos, photos * size)
    return found


def hours_on_card(cost: Cost, card: str) -> PoolHours:
    """Return the hours of a pool on a card, arithmetic alone."""
    taken = (cost.training, cost.errors, cost.sharpness)
    return PoolHours(*(cost.hours(passes, card) for passes in taken))


def hours_measured(pool: SweepPool | PublishedPool, cost: Cost, speed: Speed) -> PoolHours:
    """Return the hours of a pool by the seconds that its network was measured to take."""
    training = 0.0
    if isinstance(pool, SweepPool):
        examples = TRAINING[pool.data["train"]] * pool.training.epochs
        training = sum(n * examples * speed.training[kind] for kind, n in kinds_of(pool).items())
    errors = cost.models * cost.errors * speed.errors + cost.photos * speed.photos
    cells = cost.worst * speed.worst + (cost.average + cost.measures) * speed.average
    return PoolHours(training / 3600, errors / 3600, cost.models * cells / 3600)


def jobs_of(
    settings: Config, hours: Mapping[str, PoolHours], start: float | None = None
) -> list[Jobs]:
    """Return the jobs of a whole run by rule, with their seconds.

    Args:
        settings: the configuration.
        hours: of training and evaluation, by pool.
        start: seconds of the start of a process here, which scales those of the other jobs.
    """
    each = {row[0]: float(row[2]) for row in read_rows("resources/job_costs.csv")[1]}
    scale = 1.0 if start is None else start / each["start"]
    each = {rule: scale * seconds for rule, seconds in each.items()}
    found = [*_of_data(settings, each), *_of_pools(settings, hours, each)]
    return [*found, *_of_pages(settings, each), *_of_studies(settings, each)]


def _of_data(settings: Config, each: Mapping[str, float]) -> Iterator[Jobs]:
    step = STEPS[0]
    data = needed_data(settings, needed_parts(settings), _studied(settings))
    sampled = {pool.known_data.get("train") for pool in settings.pools.values()}
    many = {"dataset": len(data), "sample": len(sampled & {"imagenet", "mnli"})}
    published = [pool for pool in settings.pools.values() if isinstance(pool, PublishedPool)]
    many["choose"] = len(published)
    if settings.standins:
        many |= {"standin_data": 1, "standin": len(published), "download": len(published)}
        many["standin_index"] = sum(p.checkpoints.format == "augreg" for p in published)
    else:
        many["download"] = sum(len(pool.converted) for pool in published)
    for rule, number in many.items():
        yield Jobs(step, rule, number, number * each[rule])


def _of_pools(
    settings: Config, hours: Mapping[str, PoolHours], each: Mapping[str, float]
) -> Iterator[Jobs]:
    for name, pool in settings.pools.items():
        jobs, models, known = len(pool.jobs), len(pool.models), hours.get(name)
        if isinstance(pool, SweepPool):
            seconds = jobs * each["start"] + 3600 * known.training if known else None
            yield Jobs(STEPS[1], f"train {name}", jobs, seconds)
            yield Jobs(STEPS[1], "draw", 1, each["draw"])
            yield Jobs(STEPS[1], "checkpoint", models, models * each["checkpoint"])
        if isinstance(pool, ModelsPool):
            yield Jobs(STEPS[0], f"bring {name}", jobs, None)
            yield Jobs(STEPS[0], "own_models", 1, each["choose"])
        if pool.sharpness.auto:
            yield Jobs(STEPS[2], "radii", 1, each["start"] if known else None)  # rest: evaluation
        rest = known.errors + known.sharpness if known else 0.0
        seconds = jobs * each["start"] + 3600 * rest if known else None
        yield Jobs(STEPS[2], f"evaluate {name}", jobs, seconds)
        yield Jobs(STEPS[2], "rows", models, models * each["rows"])


def _of_pages(settings: Config, each: Mapping[str, float]) -> Iterator[Jobs]:
    step, pools = STEPS[3], settings.pools
    for pool in pools.values():
        plan = pool.plan(settings.protocols)
        cells = len(plan["cells"]) + len(plan.get("measures", ()))
        yield Jobs(step, "pool", 1, each["pool"])
        yield Jobs(step, "correlations", 1, cells * each["correlations"])
    published = sum(isinstance(pool, PublishedPool) for pool in pools.values())
    yield Jobs(step, "published", published, published * each["published"])
    tables = len({pool.table for pool in pools.values()} - {None})
    yield Jobs(step, "table", tables, tables * each["table"])
    catalogue = load_catalogue("resources/figures.yaml")
    for name, pool in pools.items():
        if isinstance(pool, ModelsPool):
            catalogue |= own_sheet(settings, name)
    drawn = [figure.pools for figure in catalogue.values() if set(figure.pools) <= set(pools)]
    alone = bool(settings.measured)  # the figure of measures, which is in no catalogue
    yield Jobs(step, "figures", len(set(drawn)) + alone, (len(drawn) + alone) * each["figure"])
    yield Jobs(step, "report", 1, each["report"])


def _of_studies(settings: Config, each: Mapping[str, float]) -> Iterator[Jobs]:
    step, simple, wanted = STEPS[4], settings.simple, settings.studies
    yield Jobs(step, "summary", len(wanted), len(wanted) * each["summary"])
    if "linear" in wanted:
        yield Jobs(step, "linear", 1, each["linear"])
    if "diagonal" in wanted:
        one = simple.diagonal
        jobs = len({*one.seeds, one.reversal} - {None})
        size = one.networks / 200 * one.steps / 30_000
        yield Jobs(step, "diagonal", jobs, jobs * size * each["diagonal"])
    for job, models in simple.small_networks.jobs.items() if "small_networks" in wanted else ():
        network = job[0]
        examples = simple.small_networks.networks[network].examples  # type: ignore[index]
        whole = network == "lenet" and examples in (None, EXAMPLES[network])
        seconds = each["lenet-whole" if whole else network] * len(models)
        yield Jobs(step, network, 1, seconds * (1 if whole else (examples or 1000) / 1000))
    if "two_layer_relu" in wanted:
        jobs = len(simple.two_layer_relu.jobs)
        schedule = "" if simple.two_layer_relu.schedule == "default" else "-published"
        yield Jobs(step, "two_layer_relu", jobs, jobs * each[f"two_layer_relu{schedule}"])


def _studied(settings: Config) -> list[str]:
    return settings.simple.small_networks.data if "small_networks" in settings.studies else []


@dataclass(frozen=True)
class Files:
    """Downloads of a pool or data source: files, bytes, and bytes of those in the cache.

    ``about`` says that a size is not published; weights then count as much as they must take.
    """

    files: int
    bytes: int
    cached: int
    about: bool


def downloads_of(settings: Config, costs: Mapping[str, Cost]) -> dict[str, Files]:
    """Return what is downloaded, by pool and data source."""
    data = needed_data(settings, needed_parts(settings), _studied(settings))
    groups: dict[str, list[dict[str, Any]]] = {}
    for key, files in items(settings, data).items():
        _, name, *_ = key.split("/")
        groups.setdefault(name, []).extend(files)
    cache, found = Path(settings.places()["cache"]), {}
    for name, group in groups.items():
        size = cached = 0
        for file in group:
            path = cache / place(file["url"])
            there = path.stat().st_size if path.is_file() else 0
            size += there or file["size"] or (4 * costs[name].weights if name in costs else 0)
            cached += there
        about = any(file["size"] is None for file in group)
        found[name] = Files(len(group), size, cached, about)
    return found


def asked(rule: str) -> tuple[int, int]:
    """Return ``mem_mb`` and ``runtime`` (minutes) that a rule asks for at its first attempt.

    Raises:
        UserError: if no file of ``rules`` has them.
    """
    text = "\n".join(path.read_text("utf-8") for path in sorted(Path("rules").glob("*.smk")))
    pattern = rf"^rule {rule}:.*?mem_mb=doubled\((\d+)\).*?runtime=doubled\((\d+)\)"
    if not (match := re.search(pattern, text, re.DOTALL | re.MULTILINE)):
        raise UserError(f"rules: no rule {rule} with mem_mb and runtime")
    return int(match[1]), int(match[2])
