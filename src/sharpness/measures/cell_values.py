"""Values of cells in each batch, with the work that cells share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import get_args

import torch
from torch import Tensor

from sharpness.data.batches import Batch, rebatched
from sharpness.io.errors import UserError
from sharpness.measures.arguments import check_count, check_kind, check_radius
from sharpness.measures.average import sample_loss_changes
from sharpness.measures.ball import NORMS, ball, noise_generator, scaling
from sharpness.measures.checks import (
    check_cut,
    check_function,
    check_gradient,
    check_repeatable,
    check_separable,
)
from sharpness.measures.definition import Cell, Data, Definition, Norm, Protocol
from sharpness.measures.network import Network
from sharpness.measures.objective import LogitScale, Loss, Objective
from sharpness.measures.worst import worst

Values = Sequence[Sequence[Tensor]]
"""The values of each task in each batch, [[(draws or 1,), ...], ...]."""


@dataclass(frozen=True)
class Effort:
    """Amount of computation for the cells that do not set it themselves.

    Attributes:
        steps: Auto-PGD iterations; None takes the protocol's.
        samples: draws per batch in the average case; None takes the protocol's.
        antithetic: draw δ and −δ together; such a pair counts as one draw.
    """

    steps: int | None = None
    samples: int | None = None
    antithetic: bool = False


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
        check_radius(cell.radius)
        check_kind("protocol", cell.protocol, str, "the name of one")
        if cell.data not in get_args(Data):
            raise UserError(f"data is {cell.data!r}; it is one of {', '.join(get_args(Data))}")
        self.cell = cell
        self.protocol = named.get(cell.protocol) or Protocol.named(cell.protocol)
        self.steps = _first(cell.steps, effort.steps, self.protocol.steps)
        self.samples = _first(effort.samples, self.protocol.samples)
        if cell.m is not None:
            check_count("m", cell.m)
        check_count("steps", self.steps)
        check_count("samples", self.samples)
        normalize = cell.definition.logit_norm
        self.scale: LogitScale = self.protocol.logit_scale if normalize else None


class ObjectiveCache:
    """The objectives of all batches, built once for each kind of data and each m."""

    def __init__(self, network: Network, data: Mapping[Data, Sequence[Batch]], loss: Loss) -> None:
        """Keep the batches; objectives are built when a cell asks for them."""
        self._network, self._data, self._loss = network, data, loss
        self.random = network.random
        self._micro_batch: int | None = None
        self._checked: set[object] = set()
        self._made: dict[tuple[Data, int | None], list[Objective]] = {}

    def most(self, cell: Cell) -> int:
        """Return the number of examples in the largest batch of a cell's data."""
        sizes = [len(targets) for _, targets in self._data.get(cell.data, ())]
        return min(cell.m, sum(sizes)) if cell.m else max(sizes, default=0)

    def objectives(self, cell: Cell, micro_batch: int | None = None) -> list[Objective]:
        """Return the objectives of a cell's data, m examples each; raise UserError without data."""
        if micro_batch != self._micro_batch:
            self._made.clear()
            self._checked &= {"function", "gradient"}
            self._micro_batch = micro_batch
        key = (cell.data, cell.m)
        if key not in self._made:
            batches = self._data.get(cell.data, ())
            if not batches:
                raise UserError(f"there are no batches of {cell.data} data to measure sharpness on")
            if cell.m is not None:
                check_cut(self._network, batches[0], cell.m, self._loss)
                batches = rebatched(batches, cell.m)
            self._made[key] = [
                Objective(self._network, batch, self._loss, micro_batch) for batch in batches
            ]
        return self._made[key]

    def check(self, objectives: Sequence[Objective], gradient: bool) -> None:
        """Check, once a model and once a division, that cells have a meaning; see ``checks``."""
        if "function" not in self._checked:
            check_function(objectives[0])
        if gradient and "gradient" not in self._checked:
            check_gradient(objectives[0])
        self._checked |= {"function", "gradient"} if gradient else {"function"}
        for objective in objectives:
            if id(objective) not in self._checked:
                check_separable(objective)
                if self.random.frozen:
                    _check_repeatable(objective)
                self._checked.add(id(objective))

    def drew(self, before: list[bytes], objectives: Sequence[Objective]) -> bool:
        """Return whether random numbers were drawn since ``before``, though not in the first batch.

        If so, the states are put back, and it is checked that the outputs do not depend on them.
        """
        if self.random.read() == before:
            return False
        self.random.write(before)
        for objective in objectives:
            _check_repeatable(objective)
        return True


def _check_repeatable(objective: Objective) -> None:
    for piece in objective.pieces:
        check_repeatable(objective, piece)


def noise_key(cell: Cell) -> tuple[Norm, bool, float]:
    """Return the settings that determine the perturbations of an average-case cell."""
    return cell.definition.norm, cell.definition.adaptive, cell.radius


def values_of(
    objectives: list[Objective], tasks: list[CellTask], seed: int, antithetic: bool
) -> Values:
    """Return the values of each task in each batch."""
    if tasks[0].cell.definition.case == "average":
        return _average_case(objectives, tasks, seed, antithetic)
    return [_worst_case(objectives, task, seed) for task in tasks]


def _worst_case(objectives: list[Objective], task: CellTask, seed: int) -> list[Tensor]:
    """Return the maximum of each batch, [(1,), ...]."""
    definition, knobs = task.cell.definition, task.protocol
    weights = objectives[0].network.weights
    feasible = ball(definition, task.cell.radius, weights, knobs)
    maxima = []
    for batch, objective in enumerate(objectives):
        noise = partial(_noise, definition.norm, weights, seed, batch, 0)
        found = worst(objective, feasible, knobs, task.scale, task.steps, noise)
        maxima.append(torch.tensor([found], dtype=torch.float64))
    return maxima


def _average_case(
    objectives: list[Objective], tasks: list[CellTask], seed: int, antithetic: bool
) -> list[list[Tensor]]:
    """Return the draws of each task and batch, [[(samples,), ...], ...], from shared passes."""
    cell = tasks[0].cell
    weights = objectives[0].network.weights
    width = cell.radius * scaling(weights, cell.definition.adaptive)
    scales = list(dict.fromkeys(task.scale for task in tasks))
    samples = max(task.samples for task in tasks)
    drawn = []
    for batch, objective in enumerate(objectives):
        noise = partial(_noise, cell.definition.norm, weights, seed, batch)
        drawn.append(sample_loss_changes(objective, width, noise, samples, scales, antithetic))
    return [[d[scales.index(task.scale), : task.samples] for d in drawn] for task in tasks]


def _noise(norm: Norm, like: Tensor, seed: int, batch: int, draw: int) -> Tensor:
    return NORMS[norm].noise(like, noise_generator(like.device, seed, batch, draw))


def _first(*choices: int | None) -> int:
    return next(choice for choice in choices if choice is not None)
