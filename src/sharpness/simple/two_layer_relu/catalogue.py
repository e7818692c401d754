"""The experiments of the study as data: what is trained, what is drawn, what the paper says.

The Snakefile reads this, so neither this module nor ``runs`` loads torch, numba or numpy.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sharpness.problem import Problem
from sharpness.simple.studies import Drawing
from sharpness.simple.two_layer_relu.runs import Architecture, Run
from sharpness.validation import Closed, checked
from sharpness.yamlfile import read_yaml

POOL = "wenpool"
"""The figure that is ours: test error against the trace, of all runs that are compared."""


class Row(Closed):
    """A row of the paper's Table 1: do all flattest solutions generalize, and does 1-SAM?"""

    flattest: bool
    sam: bool


class Catalogue(Closed):
    """The whole file.

    Attributes:
        table1: the paper's Table 1 by architecture.
        figures: by id.
        runs: in the file's order.
    """

    table1: dict[Architecture, Row]
    figures: dict[str, Drawing]
    runs: tuple[Run, ...]

    @property
    def drawn(self) -> dict[str, Drawing]:
        """The figures that have something to show."""
        pooled = any(run.pool for run in self.runs)
        shown = {run.figure for run in self.runs} | ({POOL} if pooled else set())
        return {name: figure for name, figure in self.figures.items() if name in shown}

    def shown(self, figure: str) -> tuple[Run, ...]:
        """The runs of a figure by panel."""
        return tuple(sorted((r for r in self.runs if r.figure == figure), key=lambda r: r.panel))


def load_catalogue(path: str | Path) -> Catalogue:
    """The experiments of a file.

    Raises:
        Problem: naming the file, the run and the key.
    """
    catalogue = checked(Catalogue, read_yaml(path), str(path))
    _check(path, catalogue)
    return catalogue


def architectures(runs: Iterable[Run]) -> dict[str, tuple[Run, ...]]:
    """The runs grouped by architecture, in their order."""
    groups: dict[str, tuple[Run, ...]] = {}
    for run in runs:
        groups[run.architecture] = (*groups.get(run.architecture, ()), run)
    return groups


def _check(path: str | Path, catalogue: Catalogue) -> None:
    """What no single entry can know."""
    ids, panels = set(), set()
    for run in catalogue.runs:
        if run.id in ids:
            raise Problem(f"{path}: runs.{run.id}.id: it is used twice; rename one of the two runs")
        ids.add(run.id)
        if run.figure is None:
            continue
        if run.figure not in catalogue.figures:
            raise Problem(f"{path}: runs.{run.id}.figure: {run.figure!r} is not under figures")
        if (run.figure, run.panel) in panels:
            raise Problem(f"{path}: runs.{run.id}.panel: {run.figure} has two of {run.panel!r}")
        panels.add((run.figure, run.panel))
