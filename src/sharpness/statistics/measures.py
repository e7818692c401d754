"""All measures beside the headline cells, exploratory: ``measures.csv``.

These are the measures that are no sharpness, sharpness with balanced heads, and the worst case of
several starts.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from sharpness.measures.definition import Cell
from sharpness.measures.measurement import is_cell, is_measured
from sharpness.statistics.families import distinct, main_protocol
from sharpness.statistics.permutation import DRAWS, permute

TARGETS = ("error_test", "gap")

COLUMNS = (
    *("cell", "target", "models", "tau", "low", "high", "p", "ceiling", "draws", "status"),
    "reason",
)
"""Columns of ``measures.csv``: ``p`` is adjusted for all measures with the same target."""


def beside_the_headline(words: Iterable[str]) -> list[str]:
    """Return the measures and cells that are neither headline cells nor ablations of them.

    Of the cells, those of the first protocol count.
    """
    measured = [word for word in words if is_measured(word)]
    first = main_protocol(measured)
    return [word for word in measured if not is_cell(word) or _is_beside(Cell.parse(word), first)]


def _is_beside(cell: Cell, protocol: str) -> bool:
    more = cell.definition.gauge or cell.restarts is not None
    return more and cell.protocol == protocol


def measures(pool: pd.DataFrame, correlations: pd.DataFrame, draws: int = DRAWS) -> pd.DataFrame:
    """Return the contents of ``measures.csv``; no row if the pool has no such measure.

    Permutations leave out copies of a model, as in `families`.

    Args:
        pool: the contents of ``pool.csv``.
        correlations: those of ``correlations.csv``, from which all but p comes.
        draws: number of permutations.
    """
    words, once = beside_the_headline(pool.columns), distinct(pool)
    known = correlations[correlations["subgroup"] == "all"].set_index(["cell", "target"])
    rows = []
    for target in [name for name in TARGETS if words and name in once]:
        values = (once[names].to_numpy(np.float64) for names in (words, [target]))
        family = permute(*values, draws=draws)
        rows += [
            {
                **{"cell": word, "target": target, **known.loc[(word, target)]},
                **{"p": family.p[place, 0], "draws": family.draws},
            }
            for place, word in enumerate(words)
        ]
    return pd.DataFrame(rows, columns=COLUMNS)
