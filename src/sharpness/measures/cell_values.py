"""Values of cells in each batch, with the work that cells share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import get_args

import torch
from torch import Tensor

from sharpness.data.batches import Batch, rebatched
from sharpness.io.errors import UserError
from sharpness.measures.arguments import check_count, check_kind, check_radius
from sharpness.measures.average import sample_loss_changes
from sharpness.measures.ball import ball, scaling, unit_noise
from sharpness.measures.checks import (
    check_cut,
    check_function,
    check_gradient,
    check_repeatable,
    check_separable,
)
from sharpness.measures.definition import Cell, Data, Definition, Norm, Precision, Protocol
from sharpness.measures.gauge import balanced, check_same_function
from sharpness.measures.network import Network
from sharpness.measures.objective import LogitScale, Loss, Objective
from sharpness.measures.parameters import Parameters
from sharpness.measures.worst import check_room, worst

Values = Sequence[Sequence[Tensor]]
"""The values of each task in each batch, [[(draws or 1,), ...], ...]."""


@dataclass(frozen=True)
class Effort:
    """Amount and precision of computation for the cells that do not set it themselves.

    Attributes:
        steps: Auto-PGD iterations; None takes the protocol's.
        samples: draws per batch in the average case; None takes the protocol's.
        antithetic: draw δ and −δ together; such a pair counts as one draw.
        precision: of the gradients of Auto-PGD: "float32", or "mixed", whose matrix products are in
            bfloat16. Every loss is computed as in "float32".
    """

    steps: int | None = None
    samples: int | None = None
    antithetic: bool = False
    precision: Precision = "float32"


AS_THE_PROTOCOL = Effort()


class CellTask:
    """A cell with its protocol, steps, samples and logit normalization resolved."""

    def __init__(self, cell: Cell, named: Mapping[str, Protocol], effort: Effort) -> None:
        """Take each number from the cell, else from the effort, else from the protocol.

        ``named`` replaces presets by name.

        Raises:
            UserError: if one of them is not of its kind, such as a radius that is not positive.
        """
        check_kind("a cell", cell, Cell, "a Cell")
        check_kind("definition", cell.definition, Definition, "a Definition")
        check_kind("effort", effort, Effort, "an Effort")
        check_kind("antithetic", effort.antithetic, bool, "True or False")
        if effort.precision not in get_args(Precision):
            words = ", ".join(get_args(Precision))
            raise UserError(f"precision is {effort.precision!r}; it is one of {words}")
        check_radius(cell.radius)
        check_kind("protocol", cell.protocol, str, "the name of one")
        if cell.data not in get_args(Data):
            raise UserError(f"data is {cell.data!r}; it is one of {', '.join(get_args(Data))}")
        self.cell = cell
        self.protocol = named.get(cell.protocol) or Protocol.named(cell.protocol)
        self.steps = _first(cell.steps, effort.steps, self.protocol.steps)
        self.samples = _first(cell.samples, effort.samples, self.protocol.samples)
        self.mixed = effort.precision == "mixed"
        for name, count in (("m", cell.m), ("restarts", cell.restarts)):
            if count is not None:
                check_count(name, count)
        if cell.restarts and cell.definition.case != "worst":
            raise UserError(f"{cell.id}: only the worst case has random starts; leave restarts out")
        if cell.samples and cell.definition.case == "worst":
            raise UserError(f"{cell.id}: only the average case has draws; leave samples out")
        if cell.restarts and not self.protocol.random_start:
            raise UserError(f"{cell.id}: protocol {self.protocol.name} has no random starts")
        check_count("steps", self.steps)
        check_count("samples", self.samples)
        normalize = cell.definition.logit_norm
        self.scale: LogitScale = self.protocol.logit_scale if normalize else None


@dataclass(frozen=True)
class View:
    """What is measured on: the data, in batches of m, and in which gauge of the weights."""

    data: Data = "original"
    m: int | None = None
    gauge: bool = False
    folded: bool = False

    @classmethod
    def of(cls, cell: Cell) -> View:
        """Return the view of a cell."""
        return cls(cell.data, cell.m, cell.definition.gauge)


class ObjectiveCache:
    """The objectives of all batches, built once for each view of the data and the weights."""

    def __init__(
        self,
        network: Network,
        data: Mapping[Data, Sequence[Batch]],
        loss: Loss,
        parameters: Parameters = "all",
    ) -> None:
        """Keep the batches; objectives are built when a cell asks for them."""
        self._network, self._data, self._loss = network, data, loss
        self._parameters = parameters
        self._micro_batch: int | None = None
        self._checked: set[object] = set()
        self._made: dict[View, list[Objective]] = {}
        self._copies: dict[bool, tuple[Network, Tensor]] = {}

    def _balanced(self, folded: bool) -> tuple[Network, Tensor]:
        """Return the copy in the balanced gauge, whose function was checked, and its scaling c."""
        if folded not in self._copies:
            copy, c = balanced(self._network.model, self._parameters, folded)
            network = Network(copy, self._parameters)
            batch = next(batches[0] for batches in self._data.values() if batches)
            check_same_function(self._network.model, copy, batch, self._loss, folded)
            self._copies[folded] = network, c
        return self._copies[folded]

    def network(self, gauge: bool = False, folded: bool = False) -> Network:
        """Return the model as a function of its weights; ``gauge`` that of its balanced copy."""
        return self._balanced(folded)[0] if gauge else self._network

    def scaling(self, adaptive: bool, gauge: bool, folded: bool = False) -> Tensor:
        """Return the scaling c of Eq. 1, (p,)."""
        return self._balanced(folded)[1] if gauge else scaling(self._network.weights, adaptive)

    def most(self, view: View) -> int:
        """Return the number of examples in the largest batch of a view."""
        sizes = [len(targets) for _, targets in self._data.get(view.data, ())]
        return min(view.m, sum(sizes)) if view.m else max(sizes, default=0)

    def objectives(self, view: View, micro_batch: int | None = None) -> list[Objective]:
        """Return the objectives of a view, m examples each; raise UserError without data."""
        if micro_batch != self._micro_batch:
            self._made.clear()
            self._checked = {key for key in self._checked if isinstance(key, tuple)}
            self._micro_batch = micro_batch
        if view not in self._made:
            batches = self._data.get(view.data, ())
            if not batches:
                raise UserError(f"there are no batches of {view.data} data to measure sharpness on")
            network = self.network(view.gauge, view.folded)
            if view.m is not None:
                check_cut(network, batches[0], view.m, self._loss)
                batches = rebatched(batches, view.m)
            self._made[view] = [
                Objective(network, batch, self._loss, micro_batch) for batch in batches
            ]
        return self._made[view]

    def check(self, objectives: Sequence[Objective], gradient: bool) -> None:
        """Check, once a model and once a division, that cells have a meaning; see ``checks``."""
        network = objectives[0].network
        checks = {"function": check_function, "gradient": check_gradient}
        for kind in ("function", "gradient") if gradient else ("function",):
            if (kind, network) not in self._checked:
                checks[kind](objectives[0])
                self._checked.add((kind, network))
        for objective in objectives:
            if id(objective) not in self._checked:
                check_separable(objective)
                if network.random.frozen:
                    _check_repeatable(objective)
                self._checked.add(id(objective))

    @staticmethod
    def drew(before: list[bytes], objectives: Sequence[Objective]) -> bool:
        """Return whether random numbers were drawn since ``before``, though not in the first batch.

        If so, the states are put back, and it is checked that the outputs do not depend on them.
        """
        random = objectives[0].network.random
        if random.read() == before:
            return False
        random.write(before)
        for objective in objectives:
            _check_repeatable(objective)
        return True


def _check_repeatable(objective: Objective) -> None:
    for piece in objective.pieces:
        check_repeatable(objective, piece)


def noise_key(cell: Cell) -> tuple[Norm, bool, bool, float]:
    """Return the settings that determine the perturbations of an average-case cell."""
    definition = cell.definition
    return definition.norm, definition.adaptive, definition.gauge, cell.radius


def values_of(
    objectives: list[Objective],
    c: Callable[[], Tensor],
    tasks: list[CellTask],
    seed: int,
    antithetic: bool,
) -> Values:
    """Return the values of each task in each batch; ``c`` makes the scaling c of Eq. 1, (p,)."""
    if tasks[0].cell.definition.case == "average":
        width = tasks[0].cell.radius * c()
        return _average_case(objectives, width, tasks, seed, antithetic)
    return [_worst_case(objectives, c(), task, seed) for task in tasks]


def _worst_case(objectives: list[Objective], c: Tensor, task: CellTask, seed: int) -> list[Tensor]:
    """Return the maximum of each batch, over all random starts, [(1,), ...]."""
    definition, knobs = task.cell.definition, task.protocol
    check_room(c)
    feasible = ball(definition, task.cell.radius, c, knobs)
    maxima = []
    for batch, objective in enumerate(objectives):
        found = []
        for start in range(task.cell.restarts or 1):
            noise = partial(unit_noise, definition.norm, c, seed, batch, start)
            settings = feasible, knobs, task.scale, task.steps
            found.append(worst(objective, *settings, noise, task.mixed))
        maxima.append(torch.tensor(found, dtype=torch.float64).max().reshape(1))
    return maxima


def _average_case(
    objectives: list[Objective], width: Tensor, tasks: list[CellTask], seed: int, antithetic: bool
) -> list[list[Tensor]]:
    """Return the draws of each task and batch, [[(samples,), ...], ...], from shared passes."""
    cell = tasks[0].cell
    scales = list(dict.fromkeys(task.scale for task in tasks))
    samples = max(task.samples for task in tasks)
    drawn = []
    for batch, objective in enumerate(objectives):
        noise = partial(unit_noise, cell.definition.norm, width, seed, batch)
        drawn.append(sample_loss_changes(objective, width, noise, samples, scales, antithetic))
    return [[d[scales.index(task.scale), : task.samples] for d in drawn] for task in tasks]


def _first(*choices: int | None) -> int:
    return next(choice for choice in choices if choice is not None)
