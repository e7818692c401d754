"""CPU seconds that the jobs of a finished run used, from Snakemake's benchmarks."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from sharpness.io.errors import UserError
from sharpness.io.run_record import job_seconds

SHORT, LONG = 15.0, 30.0
"""Snakemake looks at a job every half second for 15 seconds, and then every 30 seconds."""


def spent(results: Path) -> dict[str, list[float]]:
    """Return the CPU seconds of the jobs of a run, by rule as `bill.jobs_of` names it.

    What a job used after Snakemake's last look at it is taken to go on at the same rate. Jobs that
    found finished models or cells used less than they would from the beginning.

    Raises:
        UserError: if the folder has no benchmarks.
    """
    found = defaultdict[str, list[float]](list)
    for name, wall, used in job_seconds(results / "benchmarks"):
        if used is not None:
            found[rule_of(name)].append(used * wall / _seen(wall))
    if not found:
        raise UserError(f"{results}: has no benchmarks; name the folder of a run: results/mini")
    return dict(found)


def rule_of(path: Path) -> str:
    """Return the rule of a benchmark, with the pool for those of training and evaluation."""
    first, *rest = path.parts
    name = path.name
    if not rest:
        return first
    if first in ("figures", "tables"):
        return first.removesuffix("s") if first == "tables" else first
    if first == "data":
        return "sample" if name.endswith("-sample") else "dataset"
    if first == "standin":
        return {"data": "standin_data"}.get(name, f"standin{'_index' * name.endswith('-index')}")
    if first == "simple":
        known = ("summary", "diagonal", "linear")
        small = rest[0] if len(rest) > 1 else "two_layer_relu"
        return next((rule for rule in known if rule in name.split("-")), small)
    return f"{rest[0]} {first}" if rest[0] in ("train", "evaluate", "bring") else rest[0]


def _seen(wall: float) -> float:
    """Return the seconds after the start of a job at which Snakemake looked at it last."""
    return wall if wall <= SHORT else SHORT + LONG * ((wall - SHORT) // LONG)
