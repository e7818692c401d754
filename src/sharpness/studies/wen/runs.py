"""The experiments of the study as data: what is trained, what is drawn, what the paper says.

The Snakefile reads this, so neither this module nor ``runs`` loads torch, numba or numpy.
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
"""To be raised with every change that makes a solution or its measures another one."""

Architecture = Literal["no-bias", "bias", "softplus", "layernorm", "batchnorm", "three-layer"]

TITLES: dict[str, str] = {
    "no-bias": "ReLU without bias",
    "bias": "ReLU with bias",
    "softplus": "Softplus with bias",
    "layernorm": "simplified LayerNorm",
    "batchnorm": "simplified BatchNorm",
    "three-layer": "three layers with bias",
}
"""What each architecture is called in print."""


class TaskEntry(Closed):
    """What is learned: ``parity`` or ``ball``, in d dimensions from n examples."""

    name: Literal["parity", "ball"] = "parity"
    d: Annotated[int, Field(ge=2)] = 30
    n: PositiveInt = 100


class InitialEntry(Closed):
    """The initial weights: torch's default, W1 and b1 times a factor; g of BatchNorm."""

    first_layer_scale: PositiveFloat = 1.0
    gain: PositiveFloat = 1.0


class PhaseEntry(Closed):
    """One phase of a training; what the keys mean stands in ``phases.Phase``."""

    learning_rate: PositiveFloat
    epochs: PositiveInt
    rho: NonNegativeFloat = 0.0
    batch: NonNegativeInt = 1
    weight_decay: NonNegativeFloat = 0.0
    noise: NonNegativeFloat = 0.0
    norm: PositiveFloat | None = None


Phases = Annotated[tuple[PhaseEntry, ...], Field(min_length=1)]


class Schedules(Closed):
    """How long a run trains: here by default, and in the paper (or, of our own runs, at length)."""

    default: Phases
    published: Phases


class Run(Closed):
    """One way to train one architecture, repeated over seeds.

    Attributes:
        id: its name in every file.
        figure: the figure that shows its curve; none for runs that only enter the pool.
        panel: its letter there.
        title: what the panel is called.
        architecture: which network.
        width: hidden units m.
        task: what it learns.
        loss: "mse" or "logistic".
        smoothing: p of the logistic loss.
        init: the initial weights.
        seeds: of data, initial weights and training.
        role: which kind of optimiser.
        claim: what the paper says of it, where it says anything.
        ours: whether it is an addition, which the paper does not have.
        schedules: its phases, by name.
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

    def phases(self, schedule: str) -> tuple[PhaseEntry, ...]:
        """Its phases by a schedule, "default" or "published"."""
        return getattr(self.schedules, schedule)

    def epochs(self, schedule: str) -> int:
        """How many epochs it trains by a schedule."""
        return sum(phase.epochs for phase in self.phases(schedule))

    def reduced(self, schedule: str) -> bool:
        """Whether the paper has this run and the schedule differs from the paper's."""
        return not self.ours and self.phases(schedule) != self.schedules.published

    def shortened(self, schedule: str) -> bool:
        """Whether every phase has the settings of one of the paper's, whatever its length."""
        published = [phase.model_copy(update={"epochs": 1}) for phase in self.schedules.published]
        return all(
            phase.model_copy(update={"epochs": 1}) in published for phase in self.phases(schedule)
        )

    @property
    def pool(self) -> bool:
        """Whether it is compared with the other runs of its architecture: parity by mse."""
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


def load_runs(path: str | Path) -> Catalogue:
    """The experiments of a file.

    Raises:
        UserError: naming the file, the run and the key.
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
