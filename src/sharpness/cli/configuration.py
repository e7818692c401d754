"""``sharpness check`` and ``sharpness run``: a configuration, and the workflow with it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from sharpness.io.errors import UserError
from sharpness.io.files import read_yaml

if TYPE_CHECKING:
    from sharpness.config.schema import Config  # whose import the other commands need not wait for

BASE = Path("config.yaml")


def settings_of(overlays: Sequence[Path], base: Path = BASE) -> Config:
    """Return the settings of a configuration with overlays, merged as Snakemake does."""
    from sharpness.config.schema import merged, validated

    if not base.is_file():
        raise UserError(f"{base}: is not here; change to the project's folder")
    whole = read_yaml(base)
    for path in overlays:
        if not path.is_file():
            raise UserError(f"{path}: no such file")
        overlay = read_yaml(path)
        if not isinstance(overlay, Mapping):
            raise UserError(f"{path}: is no overlay; it has keys such as scale and pools")
        whole = merged(whole, overlay)
    return validated(whole)


def check(
    overlays: Annotated[list[Path], typer.Argument(help="Overlays on config.yaml.")],
) -> None:
    """Check a configuration: one line for each pool, or the first fault."""
    from sharpness.config.required import missing_by_hand, needed_data, needed_parts

    settings = settings_of(overlays)
    console = Console(soft_wrap=True, highlight=False)
    for name, pool in settings.pools.items():
        plan = pool.plan(settings.protocols)
        cells = [f"{len(plan['cells'])} cells"] if plan["cells"] else []
        cells += ["cells at radii to be found"] if plan.get("auto") else []
        measured = f"{' and '.join(cells)} on {pool.sharpness.points} points"
        console.print(f"{name}: {len(pool.models)} models, {measured}")
    parts = needed_parts(settings)
    for line in missing_by_hand(settings, needed_data(settings, parts, [])):
        console.print(f"missing: {line}")


def run(
    overlay: Annotated[Path, typer.Argument(help="An overlay on config.yaml.")],
    targets: Annotated[list[str] | None, typer.Argument(help="Such as a pool or a figure.")] = None,
    cores: Annotated[str, typer.Option(help="Number of cores, or all.")] = "all",
) -> None:
    """Run the workflow with an overlay on config.yaml, in the project's folder."""
    if not Path("Snakefile").is_file():
        raise UserError("there is no Snakefile here; change to the project's folder")
    settings_of([overlay])
    program = shutil.which("snakemake")
    if program is None:
        raise UserError("snakemake is not installed here; run `source .venv/bin/activate`")
    words = [program, "--cores", cores, *(targets or []), "--configfile", str(overlay)]
    os.execv(program, words)
