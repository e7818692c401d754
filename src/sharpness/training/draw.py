"""The hyper-parameters of a sweep's models (Sec. 5.1)."""

from __future__ import annotations

from dataclasses import dataclass

from sharpness.training.settings import Space
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
