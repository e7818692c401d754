"""Sentences that warn the reader of a pool: few models, random weights, errors by chance."""

from __future__ import annotations

import pandas as pd

from sharpness.report.verdict import join_names, target_title
from sharpness.sources import CLASSES, ORIGIN, RANDOM
from sharpness.statistics.kendall import FEW


def cautions(pool: pd.DataFrame) -> list[str]:
    """Return warnings on the models of a pool of the user's own; none for other pools."""
    return [line for line in (_random(pool), *_by_chance(pool)) if line]


def few_models(pool: pd.DataFrame) -> str:
    """Return a remark if so few models are used that intervals tell little; empty if not."""
    used = int((pool["status"] == "ok").sum())
    return f"{used} models only: the interval of τ is wide" if used < FEW else ""


def _random(pool: pd.DataFrame) -> str:
    if ORIGIN not in pool:
        return ""
    names = [*pool.loc[pool[ORIGIN].astype(str).str.startswith(RANDOM), "model"]]
    if not names:
        return ""
    verb = "has" if len(names) == 1 else "have"
    return (
        f"{len(names)} of {len(pool)} models {verb} random weights ({join_names(names)}): their "
        "sharpness is that of a start, not of a minimum."
    )


def _by_chance(pool: pd.DataFrame) -> list[str]:
    """Return a warning for each error that is no better than chance on some models."""
    if CLASSES not in pool:
        return []
    chance = 1 - 1 / pool[CLASSES].astype(float)
    found = []
    for target in (name for name in pool.columns if name.startswith("error_")):
        names = [*pool.loc[pool[target] >= chance, "model"]]
        if names:
            found.append(
                f"{target_title(target)} is no better than chance ({100 * chance.min():.3g} %) for "
                f"{join_names(names)}: check labels and preprocessing."
            )
    return found
