"""What lies in a folder of results after a kill: finished files and leftovers."""

from __future__ import annotations

from pathlib import Path

KEPT_APART = {"logs", "benchmarks"}
"""Snakemake's own, written as a job goes on."""


def remains(results: Path) -> list[Path]:
    """Every file but locks and what is kept apart."""
    found = (path for path in results.rglob("*") if path.is_file() and path.suffix != ".lock")
    return sorted(p for p in found if p.relative_to(results).parts[0] not in KEPT_APART)


def files(results: Path) -> list[Path]:
    """What lies under its final name."""
    return [path for path in remains(results) if not unfinished(path.relative_to(results))]


def leftovers(results: Path) -> list[Path]:
    """Temporaries of jobs that did not end."""
    return [path for path in remains(results) if unfinished(path.relative_to(results))]


def unfinished(name: Path) -> bool:
    """Whether a name says that what it holds may be half: hidden, or a download's part."""
    hidden = any(part.startswith(".") for part in name.parts)
    return hidden or name.suffix == ".part" or any(part.startswith("tmp") for part in name.parts)
