"""What every trainer is given: the examples, how they are visited, and by which settings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sharpness.simple.two_layer_relu.losses import Loss
from sharpness.simple.two_layer_relu.phases import Phase

Array = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Visits:
    """Some epochs over the training examples.

    Attributes:
        X: training inputs, (n, d), float32 or float64 as the weights are.
        y: targets, (n,), of the same precision.
        loss: ℓ(f, y).
        phase: the settings; its own ``epochs`` is not read.
        orders: the examples in the order of their visits, (epochs, n).
        noise: what is added to the targets at each visit, (epochs, n).
    """

    X: Array
    y: Array
    loss: Loss
    phase: Phase
    orders: npt.NDArray[np.int64]
    noise: Array

    @property
    def goals(self) -> Array:
        """``Loss.goal`` of the targets with their noise, in the order of visits, (epochs, n)."""
        return self.loss.goal(self.y[self.orders] + self.noise).astype(self.X.dtype)

    @property
    def rates(self) -> tuple[np.floating, np.floating, np.floating]:
        """The learning rate, ρ and what weight decay leaves of a weight, in the precision of X."""
        number, rate = self.X.dtype.type, self.phase.learning_rate
        return number(rate), number(self.phase.rho), number(1 - rate * self.phase.weight_decay)

    @property
    def logistic(self) -> bool:
        """Whether the loss is the logistic one."""
        return self.loss.kind == "logistic"
