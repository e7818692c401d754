"""``sharpness budget``: what a configuration costs, before anything runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sharpness.cli.configuration import settings_of
from sharpness.cli.outputs import SAYS
from sharpness.io.errors import UserError
from sharpness.io.validation import hint

if TYPE_CHECKING:
    from sharpness.config.bill import Files, Jobs, Kept, PoolHours
    from sharpness.config.cost import Cost
    from sharpness.config.schema import Config


def budget(
    overlays: Annotated[list[Path] | None, typer.Argument(help="Overlays on config.yaml.")] = None,
    card: Annotated[str, typer.Option(help="Take half of the float32 peak of it: a100.")] = "",
    measure: Annotated[
        bool, typer.Option("--measure", help="First measure the networks on this device.")
    ] = False,
    compare: Annotated[
        Path | None, typer.Option(help="Show beside it what the run in this folder used.")
    ] = None,
) -> None:
    """Say what a configuration costs before it runs: downloads, disk, jobs, hours, memory."""
    from sharpness.config.bill import costs_of, downloads_of, jobs_of, kept_photos

    settings = settings_of(overlays or [])
    costs = costs_of(settings)
    hours, start = _hours(settings, costs, card, measure)
    jobs = jobs_of(settings, hours, start)
    if compare is not None:
        _print(comparison(jobs, compare))
        return
    _print(downloads_table(settings, downloads_of(settings, costs)))
    _print(disk_table(costs))
    if kept := kept_photos(settings):
        _print(photos_table(kept))
    _print(steps_table(jobs))
    _print(hours_table(settings, costs, hours))
    _print(requests_table(settings, costs, hours))


def _print(lines: Iterable[str]) -> None:
    print("\n".join(lines), end="\n\n")


def _hours(
    settings: Config, costs: Mapping[str, Cost], card: str, measure: bool
) -> tuple[dict[str, PoolHours], float | None]:
    """Return the hours of each pool by a card or as measured, and the start of a process."""
    from sharpness.config.bill import hours_measured, hours_on_card
    from sharpness.config.cost import CARDS
    from sharpness.config.own import ModelsPool
    from sharpness.config.speed import file_of, known_speeds, measure_speeds, speed_of
    from sharpness.io.job import compute_device

    if card := card.lower():
        if measure or card not in CARDS:
            why = "does not go with --measure" if measure else hint(card, CARDS)
            raise UserError(f"--card {card}: {why}")
        return {name: hours_on_card(cost, card) for name, cost in costs.items()}, None
    device = compute_device(settings.device)
    path = file_of(settings.cache, device)
    pools = {n: p for n, p in settings.pools.items() if not isinstance(p, ModelsPool)}
    if measure:
        measure_speeds(pools, path, device, SAYS.print)
    known = known_speeds(path)
    found = {}
    for name, pool in pools.items():
        if speed := speed_of(known, pool):
            found[name] = hours_measured(pool, costs[name], speed)
        else:
            SAYS.print(f"{name}: its network was not measured here; give --measure or --card a100")
    return found, known.get("start")


def _table(*columns: str) -> list[str]:
    """Return the first two lines of a Markdown table; all columns but the first are numbers."""
    return [f"| {' | '.join(columns)} |", "|---|" + "---:|" * (len(columns) - 1)]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f}" if size >= 5e7 or not size else f"{size / 1e9:.1g}"


def _time(hours: float | None) -> str:
    """Return hours with three digits, as whole ones from 100 on; a dash for unknown ones."""
    if hours is None:
        return "–"
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.3g}"


def downloads_table(settings: Config, downloads: Mapping[str, Files]) -> list[str]:
    """Return a table of the downloads; where sizes are not published, weights alone count."""
    lines = _table("downloads", "files", "GB", "GB in the cache")
    for name, found in downloads.items():
        size = f"{'at least ' if found.about else ''}{_gb(found.bytes)}"
        size = size if found.bytes else "unknown"
        lines.append(_row(name, str(found.files), size, _gb(found.cached)))
    total, cached = (sum(getattr(f, k) for f in downloads.values()) for k in ("bytes", "cached"))
    files = str(sum(found.files for found in downloads.values()))
    lines.append(_row("all", files, _gb(total), _gb(cached)))
    return [*lines, "`offline: true`: only `fetch` brings them"] if settings.offline else lines


def disk_table(costs: Mapping[str, Cost]) -> list[str]:
    """Return a table of the checkpoints in the results; trainings keep their states beside them."""
    lines = _table("checkpoints", "models", "weights", "GB")
    for name, cost in costs.items():
        size = 4 * cost.weights * cost.models * (2 if cost.training else 1)
        lines.append(_row(name, str(cost.models), f"{cost.weights:,}", _gb(size)))
    return lines


def photos_table(kept: Mapping[str, Kept]) -> list[str]:
    """Return a table of the resized photos in ``photo_cache``."""
    lines = _table("resized photos", "photos", "GB")
    lines += [_row(name, f"{each.photos:,}", _gb(each.bytes)) for name, each in kept.items()]
    photos, size = (sum(getattr(k, what) for k in kept.values()) for what in ("photos", "bytes"))
    return [*lines, _row("all", f"{photos:,}", _gb(size))]


def steps_table(jobs: Sequence[Jobs]) -> list[str]:
    """Return a table of jobs and hours by step; a step with unknown hours has a dash."""
    from sharpness.config.bill import STEPS

    lines = _table("step", "jobs", "hours")
    for step in STEPS:
        own = [each for each in jobs if each.step == step and each.jobs]
        hours = None if any(e.seconds is None for e in own) else _sum(own) / 3600
        lines.append(_row(step, str(sum(each.jobs for each in own)), _time(hours)))
    return lines


def _sum(jobs: Iterable[Jobs]) -> float:
    return sum(each.seconds or 0.0 for each in jobs)


def hours_table(
    settings: Config, costs: Mapping[str, Cost], hours: Mapping[str, PoolHours]
) -> list[str]:
    """Return a table of the hours of each pool by step."""
    lines = _table("pool", "models", "GFLOP", "training", "errors", "sharpness", "hours")
    for name, pool in settings.pools.items():
        cost, found = costs.get(name), hours.get(name)
        flops = f"{cost.flops / 1e9:.3g}" if cost else "–"
        own = (found.training, found.errors, found.sharpness, found.total) if found else (None,) * 4
        lines.append(_row(name, str(len(pool.models)), flops, *map(_time, own)))
    return lines


def requests_table(
    settings: Config, costs: Mapping[str, Cost], hours: Mapping[str, PoolHours]
) -> list[str]:
    """Return a table of what one job takes, and what its rule asks a cluster for."""
    from sharpness.config.bill import LIBRARIES, asked

    lines = _table("a job", "GB", "minutes", "asks for: mem_mb", "runtime (min)", "gpu")
    for name, cost in costs.items():
        pool, found = settings.pools[name], hours.get(name)
        rows = {"evaluate": pool.micro_batch or pool.sharpness.m}
        if training := getattr(pool, "training", None):
            rows = {"train": training.batch_size * training.repeats, **rows}
        for rule, examples in rows.items():
            taken = None
            if found:
                all_of_it = found.training if rule == "train" else found.errors + found.sharpness
                taken = 60 * all_of_it / len(pool.jobs)
            memory = f"{LIBRARIES + cost.memory(examples) / 1e9:.1f}"
            wants = [*map(str, asked(rule)), str(settings.gpus)]
            lines.append(_row(f"{rule} {name}", memory, _time(taken), *wants))
    return lines


def comparison(jobs: Sequence[Jobs], results: Path) -> list[str]:
    """Return a table of predicted and used core-seconds of the jobs that a run has done.

    Training and evaluation have a line for each pool; the other jobs are those beside them.
    """
    from sharpness.config.spent import spent

    used, lines = spent(results), dict[str, tuple[int, float, float]]()
    planned: dict[str, list[Jobs]] = defaultdict(list)
    for each in jobs:
        planned[each.rule].append(each)
    for rule, own in planned.items():
        number, done = sum(each.jobs for each in own), used.get(rule, [])
        if done and number and all(each.seconds is not None for each in own):
            name = rule if " " in rule else f"other jobs of {own[0].step}"
            count, total, real = lines.get(name, (0, 0.0, 0.0))
            share = _sum(own) * len(done) / number
            lines[name] = count + len(done), total + share, real + sum(done)
    rows = _table("", "jobs", "predicted (s)", "used (s)", "used / predicted")
    for name, (count, total, real) in lines.items():
        rows.append(_row(name, str(count), f"{total:.0f}", f"{real:.0f}", f"{real / total:.2f}"))
    return rows
