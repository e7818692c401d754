"""The hyper-parameters of a sweep's models (Sec. 5.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sharpness.problem import Problem
from sharpness.training.streams import Purpose, generator


@dataclass(frozen=True)
class Hyperparameters:
    """What differs between the models of a sweep.

    Attributes:
        learning_rate: peak of the schedule.
        sam_rho: radius of sharpness-aware minimization; 0 is plain SGD.
        mixup: whether images and labels are mixed.
        augment: whether the model sees augmented views.
    """

    learning_rate: float
    sam_rho: float
    mixup: bool
    augment: bool


@dataclass(frozen=True)
class Space:
    """Where the hyper-parameters are drawn from.

    Attributes:
        learning_rate: ends of a range, log-uniform: [0.05, 5] for the paper's ResNets, [0.005, 0.5]
            for its ViTs.
        sam_rho: values of equal probability.
        mixup: probability of mixup.
        augment: probability of augmentation.
    """

    learning_rate: tuple[float, float]
    sam_rho: tuple[float, ...] = (0.0, 0.05, 0.1)
    mixup: float = 0.5
    augment: float = 0.5

    def __post_init__(self) -> None:
        """Refuse an empty space."""
        if len(self.learning_rate) != 2 or not 0 < self.learning_rate[0] <= self.learning_rate[1]:
            raise Problem(f"learning_rate is {self.learning_rate}; it is two ends, 0 < low <= high")
        if not self.sam_rho or not all(0 <= rho < math.inf for rho in self.sam_rho):
            raise Problem(f"sam_rho is {self.sam_rho}; it is a list of finite numbers >= 0")
        for name in ("mixup", "augment"):
            if not 0 <= getattr(self, name) <= 1:
                raise Problem(f"{name} is {getattr(self, name)}; it is a probability")


def draw(seed: int, index: int, space: Space) -> Hyperparameters:
    """The hyper-parameters of one model, from the pool's seed and the model's index alone.

    A pool can therefore grow without any change to the models it has. The learning rate is rounded
    to six digits, so that files hold the very number that was used.
    """
    # Plain uniform numbers, each used once: a narrower space changes no other draw.
    rate, rho, mixup, augment = generator(seed, index, Purpose.HYPERPARAMETERS).random(4)
    low, high = space.learning_rate
    return Hyperparameters(
        learning_rate=float(f"{low * (high / low) ** rate:.6g}"),
        sam_rho=float(space.sam_rho[int(rho * len(space.sam_rho))]),
        mixup=bool(mixup < space.mixup),
        augment=bool(augment < space.augment),
    )
