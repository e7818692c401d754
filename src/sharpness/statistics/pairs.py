"""Signs of the differences of all pairs of models, on which every rank correlation rests.

τ of two quantities is the mean product of their signs (Eq. 4), so the coefficients of many
quantities are one product of matrices, (quantities, pairs) by (pairs, quantities). Sums of signs
are whole numbers below 2²⁴, exact in single precision in any order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Signs = npt.NDArray[np.float32]
Ranks = npt.NDArray[np.generic]


def ranks(values: Floats) -> Ranks:
    """Return the ranks within each column, (models, columns), equal for equal values.

    The type is the smallest one that holds them; NaN stays, in single precision.
    """
    found = np.empty(values.shape, np.min_scalar_type(len(values)))
    for column, target in zip(values.T, found.T, strict=True):
        target[:] = np.unique(column, return_inverse=True)[1]
    known = np.isfinite(values)
    return found if known.all() else np.where(known, found, np.nan).astype(np.float32)


def signs(ranked: Ranks) -> Signs:
    """Return the sign of the first minus the second of each pair, (pairs, columns).

    Pairs are in the order of ``np.triu_indices``; the sign is 0 where ranks are equal or NaN.
    """
    models, columns = ranked.shape
    found = np.empty((models * (models - 1) // 2, columns), np.float32)
    for pairs, block in sign_blocks(ranked):
        found[pairs] = block
    return found


_PAIRS = 400  # at a time: with a thousand columns, the signs stay in the processor's cache


def sign_blocks(ranked: npt.NDArray[Any]) -> Iterator[tuple[slice, Signs]]:
    """Yield some pairs at a time, with their signs, which the next ones overwrite."""
    models, columns = ranked.shape
    buffer = np.empty((_PAIRS + models, columns), np.float32)
    start = filled = 0
    for model in range(models - 1):
        first, others = ranked[model], ranked[model + 1 :]
        more, less = (first > others).view(np.int8), (first < others).view(np.int8)
        buffer[filled : filled + len(others)] = np.subtract(more, less, out=more)
        filled += len(others)
        if filled >= _PAIRS or model == models - 2:
            yield slice(start, start + filled), buffer[:filled]
            start, filled = start + filled, 0


def pairs_of(models: npt.ArrayLike) -> Floats:
    """Return the number of pairs of so many models."""
    count = np.asarray(models, np.float64)
    return count * (count - 1) / 2


def both(known: npt.NDArray[np.bool_]) -> Signs:
    """Return 1 for each pair of models that are both known, else 0, (pairs, columns)."""
    first, second = np.triu_indices(len(known), 1)
    return (known[first] & known[second]).astype(np.float32)
