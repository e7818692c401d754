"""Where a run was: the processor, and what Snakemake noted of its jobs. Needs no pandas."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path


def processor() -> str:
    """Return the processor's name, which Python knows only on some systems."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def job_seconds(folder: str | Path) -> Iterator[tuple[Path, float, float | None]]:
    """Yield name, seconds on the clock and CPU seconds of each job that Snakemake timed.

    ``folder`` holds its tables, ``<pool>/<step>/<model>.tsv`` or ``<pool>/<step>.tsv``; names are
    without the suffix, in order. CPU seconds are None for a job that ended before they were read.
    """
    for path in sorted(Path(folder).rglob("*.tsv")):
        header, *lines = (line.split("\t") for line in path.read_text("utf-8").splitlines())
        row = dict(zip(header, lines[-1], strict=True))
        used = row["cpu_time"]
        name = path.relative_to(folder).with_suffix("")
        yield name, float(row["s"]), None if used in ("NA", "-") else float(used)
