"""Settings of a sweep, and the random draws of its models (Sec. 5.1)."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field, Strict

from sharpness.io.errors import REMAKE, UserError, reading
from sharpness.io.files import write_csv
from sharpness.io.validation import Count, Fraction, Number, Positive, Settings


class Purpose(IntEnum):
    """Purpose of a random stream. The numbers determine every result and must never change."""

    HYPERPARAMETERS = 0
    WEIGHTS = 1
    ORDER = 2
    MIXUP = 3
    AUGMENTATION = 4


def random_stream(seed: int, index: int, purpose: Purpose, epoch: int = 0) -> np.random.Generator:
    """Return the NumPy generator of a random stream."""
    return np.random.Generator(np.random.PCG64(_sequence(seed, index, purpose, epoch)))


def torch_seed(seed: int, index: int, purpose: Purpose, epoch: int = 0) -> int:
    """Return the seed of a random stream's ``torch.Generator``, the same on every device."""
    return int(_sequence(seed, index, purpose, epoch).generate_state(1)[0])


def _sequence(seed: int, index: int, purpose: Purpose, epoch: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(index, int(purpose), epoch))


REVISION = 1
"""Increase it with any change to a drawn value or trained weight; all models are trained anew."""


def _ordered(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"the lower bound {bounds[0]} is above the upper bound {bounds[1]}")
    return bounds


class Space(Settings):
    """Search space of the hyper-parameters (App. H).

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
    """Training settings that all models of a sweep share (Sec. 5.1 and App. H).

    Attributes:
        batch_size: distinct images per step; the last step of an epoch takes what is left.
        momentum: of SGD; there is no weight decay.
        warmup_fraction: share of all steps in which the learning rate rises to its peak.
        mixup_alpha: both parameters of the Beta distribution, for models with mixup.
        repeats: independent views of each image in a step, for models with augmentation (Fort et
            al., 2021).
        augment_operations: of RandAugment, on each such view.
        precision: "bfloat16" runs the forward pass in mixed precision.
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
    """Return the learning rate of a step: linear from 0 to the peak, then back to 0 (Sec. 5.1).

    ``step`` counts from 0, so the first step has rate 0; ``steps`` is the length of the whole
    training, and the rate rises in ``warmup_fraction`` of it.
    """
    progress = step / steps
    if progress < warmup_fraction:
        return peak * progress / warmup_fraction
    return peak * (1 - progress) / (1 - warmup_fraction)


@dataclass(frozen=True)
class Hyperparameters:
    """Hyper-parameters in which the models of a sweep differ.

    ``learning_rate`` is the peak of the schedule; ``sam_rho`` is the radius of sharpness-aware
    minimization, 0 for plain SGD.
    """

    learning_rate: float
    sam_rho: float
    mixup: bool
    augment: bool


def draw_hyperparameters(seed: int, index: int, space: Space) -> Hyperparameters:
    """Draw the hyper-parameters of one model from the pool's seed and the model's index alone.

    A pool can therefore grow without changing the models it has. The learning rate is rounded to
    six digits, so that files hold exactly the number that was used.
    """
    # One uniform number per hyper-parameter: a narrower space changes no other draw.
    rate, rho, mixup, augment = random_stream(seed, index, Purpose.HYPERPARAMETERS).random(4)
    low, high = space.learning_rate
    return Hyperparameters(
        learning_rate=float(f"{low * (high / low) ** rate:.6g}"),
        sam_rho=float(space.sam_rho[int(rho * len(space.sam_rho))]),
        mixup=bool(mixup < space.mixup),
        augment=bool(augment < space.augment),
    )


COLUMNS = ["model", "learning_rate", "sam_rho", "mixup", "augment"]


def write_models(names: Sequence[str], seed: int, space: Space, path: str | Path) -> None:
    """Draw the hyper-parameters of every model of a sweep and write them as CSV, one row each."""
    rows = []
    for index, name in enumerate(names):
        drawn = asdict(draw_hyperparameters(seed, index, space))
        rows.append({"model": name, **drawn, **{k: int(drawn[k]) for k in ("mixup", "augment")}})
    write_csv(path, rows, COLUMNS)


def read_models(path: str | Path) -> dict[str, tuple[int, Hyperparameters]]:
    """Read the index and hyper-parameters of each model; raise UserError, naming an invalid row."""
    with reading(path, REMAKE), open(path, encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {str(row.get("model")): (i, _parsed(row, path)) for i, row in enumerate(rows)}


def _parsed(row: Mapping[str, Any], path: str | Path) -> Hyperparameters:
    try:
        return Hyperparameters(
            float(row["learning_rate"]),
            float(row["sam_rho"]),
            bool(int(row["mixup"])),
            bool(int(row["augment"])),
        )
    except (KeyError, TypeError, ValueError) as error:
        model = row.get("model")
        raise UserError(f"{path}: the row of {model!r} is not {', '.join(COLUMNS)}") from error
