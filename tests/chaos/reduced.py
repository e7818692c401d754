"""The workflow with every kind of job in it, small enough to be run often."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "workflow"), str(HERE.parent)]

from test_studies import STUDIES, abalone, runs  # noqa: E402
from workspace import AUGREG, BERTS, RESNET, ROOT, Workspace  # noqa: E402

AGAIN = f"{ROOT}/envs/unlock.sh && exec snakemake --cores 2 --configfile tiny.yaml"
"""What `make` does, with two cores and the tiny configuration."""


def reduced(folder: Path) -> Workspace:
    """A folder in which the reduced run can be begun."""
    folder.mkdir(parents=True)
    pools = (RESNET, AUGREG, BERTS)
    workspace = Workspace.made(folder, str(HERE / "chaos.yaml"), pools, STUDIES)
    (folder / "abalone.data").write_text(abalone())
    (folder / "runs.yaml").write_text(runs())
    return workspace
