"""How the models of a sweep are drawn and trained."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, Strict

from sharpness.config.words import (
    Count,
    Fraction,
    Models,
    Number,
    Positive,
    Seed,
    Settings,
    ordered,
)


class Sweep(Settings):
    """The distribution from which the models of a pool are drawn (App. H)."""

    models: Models
    seed: Seed = 0
    learning_rate: Annotated[tuple[Positive, Positive], Strict(False), AfterValidator(ordered)]
    sam_rho: list[Annotated[float, Field(ge=0), Number]] = Field(
        default=[0.0, 0.05, 0.1], min_length=1
    )
    mixup: Fraction = 0.5
    augment: Fraction = 0.5

    @property
    def space(self) -> dict[str, Any]:
        """What a model's hyper-parameters are drawn from."""
        return self.model_dump(exclude={"models", "seed"})


class Training(Settings):
    """How each model of a sweep is trained (Sec. 5.1 and App. H)."""

    epochs: Count = 200
    batch_size: Count = 128
    momentum: Annotated[float, Field(ge=0, lt=1), Number] = 0.9
    warmup_fraction: Annotated[float, Field(gt=0, lt=1), Number] = 0.4
    mixup_alpha: Positive = 0.5
    repeats: Count = 2
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: bool = False
