"""What a measure is computed of: a model, its batches, and what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, nan

import torch
from torch import Tensor

from sharpness.io.errors import UserError
from sharpness.measures.average import combine_batches
from sharpness.measures.cell_values import AS_THE_PROTOCOL, Effort, ObjectiveCache, View
from sharpness.measures.definition import Estimate
from sharpness.measures.network import Network
from sharpness.measures.objective import Objective


@dataclass(frozen=True)
class Subject:
    """A model with its batches, checked once.

    Attributes:
        points: the objectives of all batches, with those of the balanced copy.
        seed: of whatever is drawn.
        micro_batch: most examples in one pass; None is a whole batch.
        initial: the weights from which training started, by name of the parameter; None where
            they are not known.
        effort: steps and samples of the measures that take those of the cells.
    """

    points: ObjectiveCache
    seed: int = 0
    micro_batch: int | None = None
    initial: Mapping[str, Tensor] | None = field(default=None, repr=False)
    effort: Effort = AS_THE_PROTOCOL

    def objectives(
        self, gauge: bool = False, gradient: bool = False, folded: bool = False
    ) -> list[Objective]:
        """Return the objective of each batch, of the model or of its balanced copy.

        ``gradient`` has it checked that gradients are the derivatives of the loss; ``folded`` is as
        in `gauge.balanced`.
        """
        found = self.points.objectives(View(gauge=gauge, folded=folded), self.micro_batch)
        self.points.check(found, gradient)
        return found

    @property
    def network(self) -> Network:
        """The model as a function of its weights."""
        return self.points.network()

    def scaled(self, options: Sequence[str]) -> tuple[list[Objective], Tensor]:
        """Return objectives with gradients, and the scaling c, (p,), that options choose.

        c is |w| for "adaptive", that of the balanced gauge for "gauge", and for "gauge+folded" that
        of the folded one, else 1.
        """
        gauge, folded = "gauge" in options, "folded" in options
        c = self.points.scaling("adaptive" in options, gauge, folded)
        return self.objectives(gauge, gradient=True, folded=folded), c


def mean_over(
    objectives: Sequence[Objective], of_batch: Callable[[Objective, int], float | Tensor]
) -> Estimate:
    """Average over batches, weighted by examples; ``of_batch`` gives one value or (draws,)."""
    found = [
        torch.as_tensor(of_batch(objective, number), dtype=torch.float64).reshape(-1)
        for number, objective in enumerate(objectives)
    ]
    return combine_batches(found, [objective.examples for objective in objectives])


def one_value(value: float | Tensor) -> Estimate:
    """Return the estimate of a number that is no mean over batches.

    Raises:
        UserError: if it is not finite.
    """
    if not isfinite(value := float(value)):
        raise UserError(f"the value is {value}: is a weight not finite, or a whole matrix zero?")
    return Estimate(value, nan, (), (), ())
