"""Granulated Kendall's Ψ: rank correlation where one hyper-parameter alone differs.

Jiang et al., 2020, "Fantastic generalization measures and where to find them", Eq. 4 to 6. For each
hyper-parameter, τ is averaged over the groups of models that agree in all others (ψ), and Ψ is the
mean over hyper-parameters. A measure that merely follows one of them has a low Ψ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sharpness.statistics.pairs import Floats

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FactorPairs:
    """All pairs of models that differ in one hyper-parameter alone.

    Attributes:
        first: the one model of each pair, (pairs,).
        second: the other, (pairs,), with the larger value of the hyper-parameter.
        factor: the hyper-parameter that differs, (pairs,).
        group: the group of the pair, (pairs,), numbered over all hyper-parameters.
    """

    first: Codes
    second: Codes
    factor: Codes
    group: Codes


def factor_pairs(factors: Codes) -> FactorPairs:
    """Return the pairs of models whose ``factors``, (models, factors), differ in one place."""
    first, second = np.triu_indices(len(factors), 1)
    differ = factors[first] != factors[second]
    alone = differ.sum(axis=1) == 1
    first, second, factor = first[alone], second[alone], differ[alone].argmax(axis=1)
    swap = factors[first, factor] > factors[second, factor]
    first, second = np.where(swap, second, first), np.where(swap, first, second)
    rest = factors[first].copy()
    rest[np.arange(len(rest)), factor] = -1  # what all models of a group agree in
    group = np.unique(np.column_stack([factor, rest]), axis=0, return_inverse=True)[1]
    return FactorPairs(first, second, factor, group.ravel())


def granulated_weights(pairs: FactorPairs) -> Floats:
    """Return the weight of each pair in Ψ = Σ weight · sign · sign, (pairs,)."""
    size = np.bincount(pairs.group)[pairs.group]
    where = np.unique(pairs.group, return_index=True)[1]
    of_factor = np.bincount(pairs.factor[where])  # number of groups of each factor
    return 1 / (size * of_factor[pairs.factor] * np.count_nonzero(of_factor))
