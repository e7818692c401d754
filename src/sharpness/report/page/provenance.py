"""Where the numbers are from: what the page says of it, and what differs from run to run.

The page has versions and checksums, which are equal for equal numbers. Commit, machine and hours go
into a file beside it, since the page of a second run has the same bytes.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sharpness.io.files import sha256, write_json
from sharpness.io.run_record import job_seconds, processor

PACKAGES = (
    *("torch", "torchvision", "timm", "open_clip_torch", "transformers", "numpy", "scipy"),
    *("scikit-learn", "pandas", "matplotlib", "altair", "snakemake"),
)
"""Packages on which numbers and pictures depend."""

ON_GPUS = ("train", "evaluate", "radii")
"""Steps that ask for GPUs where the configuration has any."""


def versions() -> dict[str, str]:
    """Return the versions of Python and of `PACKAGES`, as far as they are installed."""
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def checksums(paths: Mapping[str, str | Path]) -> dict[str, str]:
    """Return the sha256 of each file by its name."""
    return {name: sha256(path) for name, path in paths.items()}


def write_provenance(
    out: str | Path, config: Mapping[str, Any], benchmarks: str | Path, gpus: int
) -> None:
    """Write commit, configuration, machine, versions and hours by step as JSON."""
    found = {
        "commit": _said("git", "rev-parse", "HEAD"),
        "changed files": _said("git", "status", "--porcelain", "--untracked-files=no").splitlines(),
        "versions": versions(),
        "machine of the report": {
            "system": platform.platform(),
            "processor": processor(),
            "processors": os.cpu_count(),
            "GPUs": _said("nvidia-smi", "-L").splitlines(),
        },
        "hours": hours(benchmarks, gpus),
        "configuration": config,
    }
    write_json(out, found)


def hours(benchmarks: str | Path, gpus: int) -> dict[str, dict[str, float]]:
    """Return jobs, hours on the clock, CPU-hours and GPU-hours by pool and step.

    ``benchmarks`` is the folder of Snakemake's tables. A GPU that several jobs share counts for
    each of them.
    """
    found: dict[str, dict[str, float]] = {}
    for name, wall, used in job_seconds(benchmarks):
        place = name.parts[:2]
        counts = {"jobs": 1, "hours": wall / 3600, "CPU-hours": (used or 0.0) / 3600}
        counts["GPU-hours"] = counts["hours"] * gpus * (place[-1] in ON_GPUS)
        step = found.setdefault("/".join(place), dict.fromkeys(counts, 0))
        for what, amount in counts.items():
            step[what] += amount
    return {step: {n: round(v, 4) for n, v in counts.items()} for step, counts in found.items()}


def _said(*command: str) -> str:
    """Return what a command prints; nothing if it is not there or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
