"""Kendall's τ (Eq. 4) of sharpness with losses, for each pool of models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from sharpness.statistics.kendall import RESAMPLES, kendall
from sharpness.studies.hammoud import COLUMNS as MODEL_COLUMNS


@dataclass(frozen=True)
class Published:
    """One of the three scatter plots of Figure 1, 50 models.

    Attributes:
        title: network and data set.
        tau: Kendall's τ of sharpness and test loss (Sec. IV).
        p: its p-value, as the notebook prints it.
        sharpness: smallest and largest, read off the plot; so is ``test_loss``.
        test_accuracy: smallest and largest, from the notebook; empty where there is none.
        remark: how the notebook's number differs from its description.
    """

    title: str
    tau: float
    p: float
    sharpness: str
    test_loss: str
    test_accuracy: str
    remark: str


PUBLISHED = {
    "fcnn": Published(
        "FCNN/Abalone",
        -0.311,
        0.0014,
        "0.008 to 0.095",
        "0.457 to 0.514",
        "",
        "the notebook's counts of execution and printed losses suggest that the published plot "
        "pairs the ascents of one pool with the losses of another",
    ),
    "lenet": Published(
        "LeNet-5/Fashion-MNIST",
        -0.180,
        0.065,
        "0.425 to 0.663",
        "0.298 to 0.454",
        "",
        "nearly all of the notebook's measure is BatchNorm's statistics, which move in the ascent, "
        "and a step that is not projected",
    ),
    "gat": Published(
        "GAT/Cora",
        -0.185,
        0.058,
        "−0.27 to 0.67",
        "1.51 to 1.84",
        "0.295 to 0.764",
        "the notebook's measure has dropout on: see how far it agrees with itself",
    ),
}
"""By network, in the paper's order."""


PROCEDURES = ("text", "code")
"""As the paper's text says, and as its notebooks did."""


@dataclass(frozen=True)
class Coefficients:
    """Kendall's τ for one pool: models of one network that differ by their seeds alone.

    Attributes:
        network: key of `PUBLISHED`.
        procedure: its name in the configuration.
        base: base of the seeds.
        models: number of models with sharpness and test loss.
        tau: τ(sharpness, test loss); NaN where undefined.
        p: its two-sided p-value.
        low: lower end of its 95 % bootstrap interval over models; ``high`` is the upper end.
        gap: τ(sharpness, test loss − training loss).
        train: τ(sharpness, training loss).
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
    """Read CSV files of `hammoud.COLUMNS`: networks in the published order, text before code.

    A file with a header alone adds nothing.
    """
    frames = [pd.read_csv(path, dtype={"network": str, "procedure": str}) for path in paths]
    full = [frame for frame in frames if len(frame)]
    if not full:
        return pd.DataFrame(columns=list(MODEL_COLUMNS))
    models = pd.concat(full, ignore_index=True)
    by = ["network", "procedure", "base", "model"]
    return models.sort_values(by, key=_places, ignore_index=True)


def coefficients(models: pd.DataFrame, resamples: int = RESAMPLES) -> list[Coefficients]:
    """Return the coefficients of every pool in the result of `read_models`, in its order.

    ``resamples`` is the number of bootstrap resamples; 0 leaves the intervals NaN.
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
    """Replace words by their place: published ones first, then as found; keep numbers."""
    words = dict.fromkeys([*_FIRST.get(str(column.name), ()), *column])
    places = {word: place for place, word in enumerate(words)}
    return column.map(places) if column.name in _FIRST else column
