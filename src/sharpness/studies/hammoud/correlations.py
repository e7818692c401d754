"""Kendall's τ (Eq. 4) of sharpness and what it is to predict, one row a pool of models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from sharpness.statistics.kendall import RESAMPLES, kendall
from sharpness.studies.hammoud.ascent import COLUMNS as MODEL_COLUMNS
from sharpness.studies.hammoud.summary import PUBLISHED

PROCEDURES = ("text", "code")
"""The published procedures: as the paper's text has it, and as its notebooks did it."""


@dataclass(frozen=True)
class Coefficients:
    """The coefficients of one pool: models of one network that differ by their seeds alone.

    Attributes:
        network: key of `PUBLISHED`.
        procedure: what the configuration calls it.
        base: of the seeds.
        models: number of models with sharpness and test loss.
        tau: τ(sharpness, test loss); NaN where undefined.
        p: its two-sided p-value.
        low: lower end of its 95 % bootstrap interval over models.
        high: upper end.
        gap: τ(sharpness, test loss − training loss).
        train: τ(sharpness, training loss): what the sharpness says of the fit.
        again: τ(sharpness, a second measurement of the same weights); NaN where there is none.
        reason: why τ is undefined, or how many models were left out.
    """

    network: str
    procedure: str
    base: int
    models: int
    tau: float
    p: float
    low: float
    high: float
    gap: float
    train: float
    again: float
    reason: str


COLUMNS = tuple(field.name for field in fields(Coefficients))


def read_models(paths: Iterable[str | Path]) -> pd.DataFrame:
    """The models of all pools, `rows.COLUMNS`: networks as published, text and code first.

    Args:
        paths: of CSV files; one of a header alone adds nothing.
    """
    frames = [pd.read_csv(path, dtype={"network": str, "procedure": str}) for path in paths]
    full = [frame for frame in frames if len(frame)]
    if not full:
        return pd.DataFrame(columns=list(MODEL_COLUMNS))
    models = pd.concat(full, ignore_index=True)
    by = ["network", "procedure", "base", "model"]
    return models.sort_values(by, key=_places, ignore_index=True)


def coefficients(models: pd.DataFrame, resamples: int = RESAMPLES) -> list[Coefficients]:
    """The coefficients of every pool, in the order of its models.

    Args:
        models: as `read_models` gives them.
        resamples: bootstrap resamples; 0 leaves the intervals NaN.
    """
    pools = models.groupby(["network", "procedure", "base"], sort=False)
    return [_of_pool(pool, resamples) for _, pool in pools]


def _of_pool(pool: pd.DataFrame, resamples: int) -> Coefficients:
    first, sharpness = pool.iloc[0], pool["sharpness"]

    def tau(other: pd.Series[float]) -> float:
        return kendall(sharpness, other, resamples=0, test=False).tau

    found = kendall(sharpness, pool["test_loss"], resamples=resamples)
    return Coefficients(
        first["network"],
        first["procedure"],
        int(first["base"]),
        found.models,
        tau=found.tau,
        p=found.p,
        low=found.low,
        high=found.high,
        gap=tau(pool["test_loss"] - pool["train_loss"]),
        train=tau(pool["train_loss"]),
        again=tau(pool["sharpness_again"]),
        reason=found.reason,
    )


_FIRST = {"network": tuple(PUBLISHED), "procedure": PROCEDURES}


def _places(column: pd.Series[Any]) -> pd.Series[Any]:
    """What a column is sorted by: words as published, then as found; numbers by themselves."""
    words = dict.fromkeys([*_FIRST.get(str(column.name), ()), *column])
    places = {word: place for place, word in enumerate(words)}
    return column.map(places) if column.name in _FIRST else column
