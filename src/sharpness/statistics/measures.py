"""All measures beside the headline cells, exploratory: ``measures.csv``.

These are the measures that are no sharpness, sharpness with balanced heads, and the worst case of
several starts.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from sharpness.statistics.families import distinct
from sharpness.statistics.headline import beside_the_headline
from sharpness.statistics.permutation import DRAWS, permute

TARGETS = ("error_test", "gap")

COLUMNS = (
    *("cell", "target", "models", "tau", "low", "high", "p", "ceiling", "draws", "status"),
    "reason",
)
"""Columns of ``measures.csv``: ``p`` is adjusted for all measures with the same target."""


def measures(pool: pd.DataFrame, correlations: pd.DataFrame, draws: int = DRAWS) -> pd.DataFrame:
    """Return the contents of ``measures.csv``; no row if the pool has no such measure.

    Permutations leave out copies of a model, as in `families`.

    Args:
        pool: the contents of ``pool.csv``.
        correlations: those of ``correlations.csv``, from which all but p comes.
        draws: number of permutations.
    """
    words, once = beside_the_headline(pool.columns), distinct(pool)
    overall = correlations[correlations["subgroup"] == "all"].to_dict("records")
    known = {(row["cell"], row["target"]): row for row in overall}
    rows = []
    for target in [name for name in TARGETS if words and name in once]:
        values = (once[names].to_numpy(np.float64) for names in (words, [target]))
        family = permute(*values, draws=draws)
        rows += [
            {**known[word, target], "p": family.p[place, 0], "draws": family.draws}
            for place, word in enumerate(words)
        ]
    return pd.DataFrame(rows, columns=COLUMNS)
