"""What the models of a sweep share: how long, in which steps, in which precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from sharpness.problem import Problem

REVISION = 1
"""Raise it with any change that changes a drawn value or a trained weight: all is trained anew."""

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Settings:
    """How every model of a sweep is trained; the defaults are the paper's.

    Attributes:
        epochs: passes over the training set.
        batch_size: distinct images per step; the last step of an epoch takes what is left.
        momentum: of SGD; there is no weight decay.
        warmup_fraction: share of all steps in which the learning rate rises to its peak.
        mixup_alpha: both parameters of the Beta distribution, for models with mixup.
        repeats: independent views of each image in a step, for models with augmentation (Fort et
            al., 2021).
        precision: "bfloat16" runs the forward pass in mixed precision.
        compile: whether ``torch.compile`` translates the network first.
    """

    epochs: int = 200
    batch_size: int = 128
    momentum: float = 0.9
    warmup_fraction: float = 0.4
    mixup_alpha: float = 0.5
    repeats: int = 2
    precision: Precision = "float32"
    compile: bool = False

    def __post_init__(self) -> None:
        """Refuse settings that cannot be run."""
        for name in ("epochs", "batch_size", "repeats"):
            if getattr(self, name) < 1:
                raise Problem(f"training: {name} is {getattr(self, name)}; it is at least 1")
        if not 0 <= self.momentum < 1:
            raise Problem(f"training: momentum is {self.momentum}; it is in [0, 1)")
        if not 0 < self.warmup_fraction < 1:
            raise Problem(f"training: warmup_fraction is {self.warmup_fraction}; it is in (0, 1)")
        if not self.mixup_alpha > 0:
            raise Problem(f"training: mixup_alpha is {self.mixup_alpha}; it is above 0")
        if self.precision not in get_args(Precision):
            words = ", ".join(get_args(Precision))
            raise Problem(f"training: precision is {self.precision!r}; it is one of {words}")


def learning_rate(step: int, steps: int, peak: float, warmup_fraction: float) -> float:
    """The learning rate of a step: linear from 0 to the peak, then linear back to 0 (Sec. 5.1).

    Args:
        step: steps done before this one, so that the first has rate 0.
        steps: steps of the whole training.
        peak: rate at the end of the warm-up.
        warmup_fraction: share of the steps in which the rate rises.
    """
    progress = step / steps
    if progress < warmup_fraction:
        return peak * progress / warmup_fraction
    return peak * (1 - progress) / (1 - warmup_fraction)
