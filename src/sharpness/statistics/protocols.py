"""Whether a conclusion depends on the protocol: ``protocols.csv``, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from sharpness.measures.definition import Cell
from sharpness.statistics.correlation import cell_columns
from sharpness.statistics.families import families
from sharpness.statistics.headline import main_cells
from sharpness.statistics.kendall import kendall
from sharpness.statistics.permutation import DRAWS

SAME, ONE, OPPOSITE = "same", "one only", "opposite"
"""Whether the intervals of two protocols lie on the same side of zero, or around it."""

_ENDS = ("tau", "low", "high", "verdict")

COLUMNS = (
    *("cell", "target", "family", "first", "second", "rank"),
    *(f"{place}_{name}" for place in ("first", "second") for name in _ENDS),
    "conclusions",
)
"""Columns of ``protocols.csv``.

``cell`` is that of the first protocol, ``rank`` is τ between the values by the two protocols,
``first_verdict`` is that on the target's family (empty for other targets) by the first protocol.
"""


def protocols(
    pool: pd.DataFrame,
    table: pd.DataFrame,
    judged: pd.DataFrame,
    kinds: Mapping[str, Sequence[str]],
    draws: int = DRAWS,
) -> pd.DataFrame:
    """Return the contents of ``protocols.csv``; no rows if the pool has one protocol alone.

    Args:
        pool: the contents of ``pool.csv``.
        table: those of ``correlations.csv``.
        judged: those of ``families.csv``, by the first protocol.
        kinds: the targets of each family, by its name.
        draws: number of permutations for the verdicts by the second protocol.
    """
    pairs = _pairs(pool)
    if not pairs:
        return pd.DataFrame(columns=COLUMNS)
    others = pool.drop(columns=[c for c in cell_columns(pool) if c not in {*pairs.values()}])
    verdicts = [_verdicts(judged), _verdicts(families(others, kinds, draws=draws))]
    overall = table[(table["subgroup"] == "all") & (table["status"] == "ok")]
    found = {(row["cell"], row["target"]): row for row in overall.to_dict("records")}
    family = {target: name for name, targets in kinds.items() for target in targets}
    rows = []
    for first, second in pairs.items():
        rank = kendall(pool[first], pool[second], resamples=0, test=False).tau
        named = {"cell": first, "first": _protocol(first), "second": _protocol(second)}
        for target in overall["target"].unique():
            both = [found.get((cell, target)) for cell in (first, second)]
            if both[0] is None or both[1] is None:
                continue
            row = named | {"target": target, "family": family.get(target, ""), "rank": rank}
            for place, ends, said in zip(("first", "second"), both, verdicts, strict=True):
                row |= {f"{place}_{name}": ends[name] for name in _ENDS[:3] if ends}
                row[f"{place}_verdict"] = said.get(str(row["family"]), "")
            rows.append(row | {"conclusions": _compare(both[0], both[1])})
    return pd.DataFrame(rows, columns=COLUMNS)


def _pairs(pool: pd.DataFrame) -> dict[str, str]:
    """Return each main cell with that of the next protocol, where there is one."""
    words = cell_columns(pool)
    known = {word: Cell.parse(word) for word in words}
    first = main_cells(words)
    others = [
        c.protocol for c in known.values() if first and c.protocol != known[first[0]].protocol
    ]
    if not others:
        return {}
    pairs = {word: replace(known[word], protocol=others[0]).id for word in first}
    return {word: other for word, other in pairs.items() if other in known}


def _protocol(word: str) -> str:
    return Cell.parse(word).protocol


def _verdicts(judged: pd.DataFrame) -> dict[str, str]:
    return dict(zip(judged["family"], judged["verdict"], strict=True))


def _compare(first: Mapping[Any, Any], second: Mapping[Any, Any]) -> str:
    """Compare the sides of zero on which two intervals lie."""
    one, two = (int(row["low"] > 0) - int(row["high"] < 0) for row in (first, second))
    return SAME if one == two else OPPOSITE if one * two < 0 else ONE
