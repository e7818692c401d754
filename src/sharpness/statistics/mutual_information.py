"""Conditional mutual information K of a measure and the error, given hyper-parameters.

Jiang et al., 2020, Eq. 9 to 11: over ordered pairs of models, V is the sign of the difference, and
U_S the values of the hyper-parameters S of both. K is the smallest I(V_measure; V_error | U_S) /
H(V_error | U_S) over sets S of at most two: how much the measure tells beyond any of them. It is
blind to the sign, so τ belongs beside it, and it is biased upwards in small groups of pairs.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.special import entr

from sharpness.statistics.granulated import Codes
from sharpness.statistics.pairs import Floats

MOST = 2
"""Most hyper-parameters in a set S."""


def conditional_information(x: Floats, y: Floats, factors: Codes) -> Floats:
    """Return K of each column of ``x`` with each of ``y``, (columns of x, columns of y).

    Args:
        x: the measures, (models, measures).
        y: the errors, (models, errors).
        factors: values of the hyper-parameters as whole numbers, (models, factors).
    """
    names = range(factors.shape[1])
    sets = [chosen for size in range(MOST + 1) for chosen in combinations(names, size)]
    found = np.full((x.shape[1], y.shape[1]), np.inf)
    for chosen in sets:
        codes = np.unique(factors[:, list(chosen)], axis=0, return_inverse=True)[1]
        found = np.fmin(found, normalized_information(x, y, codes.ravel()))
    return found


def normalized_information(x: Floats, y: Floats, codes: Codes) -> Floats:
    """Return I(V_x; V_y | U) / H(V_y | U) where U is the pair of ``codes``, (models,), of both."""
    first, second = np.triu_indices(len(x), 1)
    swap = codes[first] > codes[second]
    first, second = np.where(swap, second, first), np.where(swap, first, second)
    keys = codes[first] * (codes.max() + 1) + codes[second]
    shape = (x.shape[1], y.shape[1])
    information, entropy = np.zeros(shape), np.zeros(shape)
    for key in np.unique(keys):
        one, other = first[keys == key], second[keys == key]
        table = _tables(x[one] - x[other], y[one] - y[other])
        if codes[one[0]] == codes[other[0]]:  # the group holds both orders of each pair
            table = table + table[::-1, ::-1]
        joint = table / table.sum(axis=(0, 1))
        of_x, of_y = (entr(joint.sum(axis=axis)).sum(axis=0) for axis in (1, 0))
        information += len(one) * (of_x + of_y - entr(joint).sum(axis=(0, 1)))
        entropy += len(one) * of_y
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(entropy > 0, information / entropy, np.nan)


def _tables(dx: Floats, dy: Floats) -> Floats:
    """Count the pairs by the signs of both differences, (3, 3, columns of x, columns of y)."""
    signs = np.array([-1, 0, 1])[:, None, None]
    left, right = ((signs == np.sign(d).T).astype(np.float32) for d in (dx, dy))
    return np.einsum("acp,bdp->abcd", left, right, optimize=True).astype(np.float64)
