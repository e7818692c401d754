"""The experiments of the study as data: runs, figures and the paper's statements.

The Snakefile imports this module, so it must not load torch, numba or numpy.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from sharpness.io.errors import UserError
from sharpness.io.files import read_yaml
from sharpness.io.validation import Closed, checked
from sharpness.studies.findings import Drawing

REVISION = 1
"""Increase with every change to the solutions or their measures."""

Architecture = Literal["no-bias", "bias", "softplus", "layernorm", "batchnorm", "three-layer"]

TITLES: dict[str, str] = {
    "no-bias": "ReLU without bias",
    "bias": "ReLU with bias",
    "softplus": "Softplus with bias",
    "layernorm": "simplified LayerNorm",
    "batchnorm": "simplified BatchNorm",
    "three-layer": "three layers with bias",
}
"""Printed name of each architecture."""


class TaskEntry(Closed):
    """A learning task in d dimensions with n training examples."""

    name: Literal["parity", "ball"] = "parity"
    d: Annotated[int, Field(ge=2)] = 30
    n: PositiveInt = 100


class InitialEntry(Closed):
    """Initial weights: factor of W1 and b1 on torch's default, and g of BatchNorm."""

    first_layer_scale: PositiveFloat = 1.0
    gain: PositiveFloat = 1.0


class Phase(Closed):
    """Settings of a number of epochs.

    A step is θ ← θ − lr (g + λθ). Without SAM, g is the gradient of the batch's mean loss at θ;
    with SAM at θ + ρ∇L/‖∇L‖, where L is the same batch's loss without weight decay.

    Attributes:
        learning_rate: lr.
        epochs: passes over the training examples.
        rho: ρ of SAM; 0 is plain gradient descent.
        batch: examples per step; 0 is all of them.
        weight_decay: λ.
        noise: label noise: targets are y ± this, with a fresh sign at each visit.
        norm: value to which ‖(W1, b1)‖ is rescaled after each step; None leaves it alone. Only for
            simplified LayerNorm, whose outputs do not depend on this norm.
    """

    learning_rate: PositiveFloat
    epochs: PositiveInt
    rho: NonNegativeFloat = 0.0
    batch: NonNegativeInt = 1
    weight_decay: NonNegativeFloat = 0.0
    noise: NonNegativeFloat = 0.0
    norm: PositiveFloat | None = None


Phases = Annotated[tuple[Phase, ...], Field(min_length=1)]


class Schedules(Closed):
    """Phases of a run, by default and in the paper (for our own runs: longer ones)."""

    default: Phases
    published: Phases


class Run(Closed):
    """One way to train one architecture, repeated over seeds.

    Attributes:
        id: its name in every file.
        figure: the figure that shows its curve; None for runs that only enter the pool.
        panel: its letter in the figure.
        title: of the panel.
        width: hidden units m.
        smoothing: p of the logistic loss.
        seeds: of data, initial weights and training.
        role: kind of optimiser.
        claim: the paper's statement about it; may be empty.
        ours: whether the run is an addition that the paper does not have.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    figure: str | None = None
    panel: str = ""
    title: str
    architecture: Architecture
    width: PositiveInt = 500
    task: TaskEntry = TaskEntry()
    loss: Literal["mse", "logistic"] = "mse"
    smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    init: InitialEntry = InitialEntry()
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] = (1, 2, 3)
    role: Literal["sam", "baseline", "label-noise", "sgd"]
    claim: str = ""
    ours: bool = False
    schedules: Schedules

    def phases(self, schedule: str) -> tuple[Phase, ...]:
        """Return the phases of a schedule, "default" or "published"."""
        return getattr(self.schedules, schedule)

    def epochs(self, schedule: str) -> int:
        """Return the total number of epochs of a schedule."""
        return sum(phase.epochs for phase in self.phases(schedule))

    def reduced(self, schedule: str) -> bool:
        """Return whether the paper has this run and the schedule differs from the paper's."""
        return not self.ours and self.phases(schedule) != self.schedules.published

    def shortened(self, schedule: str) -> bool:
        """Return whether each phase has the settings of a published one, but for its length."""
        published = [phase.model_copy(update={"epochs": 1}) for phase in self.schedules.published]
        return all(
            phase.model_copy(update={"epochs": 1}) in published for phase in self.phases(schedule)
        )

    @property
    def pool(self) -> bool:
        """Return whether the run is ranked with others of its architecture: parity by mse."""
        return (self.task.name, self.loss) == ("parity", "mse")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds: one is there twice")
        if self.smoothing and self.loss != "logistic":
            raise ValueError("smoothing: only the logistic loss has it")
        if bool(self.figure) != bool(self.panel):
            raise ValueError("figure and panel: set both or none")
        written = (*self.schedules.default, *self.schedules.published)
        if self.architecture != "layernorm" and any(phase.norm for phase in written):
            raise ValueError("norm: only layernorm can keep one")
        return self


POOL = "wenpool"
"""This project's own figure: test error against the trace, for all runs that are compared."""


class Table1Row(Closed):
    """A row of the paper's Table 1: do all flattest solutions generalize, and does 1-SAM?"""

    flattest: bool
    sam: bool


class Catalogue(Closed):
    """All experiments: the paper's Table 1 by architecture, figures by id, and runs."""

    table1: dict[Architecture, Table1Row]
    figures: dict[str, Drawing]
    runs: tuple[Run, ...]

    @property
    def drawn(self) -> dict[str, Drawing]:
        """Return the figures that have something to show."""
        pooled = any(run.pool for run in self.runs)
        shown = {run.figure for run in self.runs} | ({POOL} if pooled else set())
        return {name: figure for name, figure in self.figures.items() if name in shown}

    def shown(self, figure: str) -> tuple[Run, ...]:
        """Return the runs of a figure, sorted by panel."""
        return tuple(sorted((r for r in self.runs if r.figure == figure), key=lambda r: r.panel))


def load_runs(path: str | Path) -> Catalogue:
    """Return the experiments of a YAML file.

    Raises:
        UserError: if an entry is invalid; names the file, the run and the key.
    """
    catalogue = checked(Catalogue, read_yaml(path), str(path))
    _check(path, catalogue)
    return catalogue


def architectures(runs: Iterable[Run]) -> dict[str, tuple[Run, ...]]:
    """Group runs by architecture, in their order."""
    groups: dict[str, tuple[Run, ...]] = {}
    for run in runs:
        groups[run.architecture] = (*groups.get(run.architecture, ()), run)
    return groups


def _check(path: str | Path, catalogue: Catalogue) -> None:
    ids, panels = set(), set()
    for run in catalogue.runs:
        if run.id in ids:
            raise UserError(
                f"{path}: runs.{run.id}.id: it is used twice; rename one of the two runs"
            )
        ids.add(run.id)
        if run.figure is None:
            continue
        if run.figure not in catalogue.figures:
            raise UserError(f"{path}: runs.{run.id}.figure: {run.figure!r} is not under figures")
        if (run.figure, run.panel) in panels:
            raise UserError(f"{path}: runs.{run.id}.panel: {run.figure} has two of {run.panel!r}")
        panels.add((run.figure, run.panel))
