"""How the models of a sweep are drawn and trained: what a user sets, the paper's by default."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, Strict

from sharpness.validation import Count, Fraction, Number, Positive, Settings

REVISION = 1
"""Raise it with any change that changes a drawn value or a trained weight: all is trained anew."""


def _ordered(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"the lower bound {bounds[0]} is above the upper bound {bounds[1]}")
    return bounds


class Space(Settings):
    """Where the hyper-parameters of the models are drawn from (App. H).

    Attributes:
        learning_rate: ends of a range, log-uniform: [0.05, 5] for the paper's ResNets, [0.005, 0.5]
            for its ViTs.
        sam_rho: values of equal probability.
        mixup: probability of mixup.
        augment: probability of augmentation.
    """

    learning_rate: Annotated[tuple[Positive, Positive], Strict(False), AfterValidator(_ordered)]
    sam_rho: list[Annotated[float, Field(ge=0), Number]] = Field(
        default=[0.0, 0.05, 0.1], min_length=1
    )
    mixup: Fraction = 0.5
    augment: Fraction = 0.5


class Training(Settings):
    """How every model of a sweep is trained (Sec. 5.1 and App. H).

    Attributes:
        epochs: passes over the training set.
        batch_size: distinct images per step; the last step of an epoch takes what is left.
        momentum: of SGD; there is no weight decay.
        warmup_fraction: share of all steps in which the learning rate rises to its peak.
        mixup_alpha: both parameters of the Beta distribution, for models with mixup.
        repeats: independent views of each image in a step, for models with augmentation (Fort et
            al., 2021).
        augment_operations: of RandAugment, on each such view.
        precision: "bfloat16" runs the forward pass in mixed precision.
        compile: whether ``torch.compile`` translates the network first.
    """

    epochs: Count = 200
    batch_size: Count = 128
    momentum: Annotated[float, Field(ge=0, lt=1), Number] = 0.9
    warmup_fraction: Annotated[float, Field(gt=0, lt=1), Number] = 0.4
    mixup_alpha: Positive = 0.5
    repeats: Count = 2
    augment_operations: Annotated[int, Field(ge=0, le=16)] = 2
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: bool = False


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
