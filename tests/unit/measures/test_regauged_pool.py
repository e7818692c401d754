"""A pool of small ViTs whose heads are rewritten after training: what it does to each ranking."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
from orbits import regauge
from torch import Tensor, nn
from toys import VIT, Batches, fit

from sharpness.measures.measuring import measure
from sharpness.networks import build, initialise
from sharpness.statistics.kendall import kendall

MODELS = 40
SEEN = ("gradient-norm+adaptive", "worst-linf-adaptive-rawlogits@0.001+paper+steps5")
NOT_SEEN = (
    "worst-linf-adaptive-rawlogits-gauge@0.001+paper+steps5",
    "average-linf-adaptive-rawlogits-gauge@0.1+paper",
    "gradient-norm+gauge",
    "geodesic-inv@0.1",
    "geodesic-mix@0.1",
    "fisher-rao",
)


def trained(seed: int, digits: tuple[Tensor, Tensor]) -> nn.Module:
    """A ViT that is trained for 20 to 215 steps, so that the pool is not uniform."""
    network = build(VIT)
    initialise(network, torch.Generator().manual_seed(seed))
    return fit(network, *digits, steps=20 + 5 * seed)


@pytest.mark.slow
def test_the_ranking_of_a_pool(digits: tuple[Tensor, Tensor], points: Batches) -> None:
    """A has condition 1 to 10³, log-uniform: τ of the values before and after, in float32."""
    stream = np.random.default_rng(0)
    values: dict[str, list[list[float]]] = {name: [] for name in (*SEEN, *NOT_SEEN)}
    for seed in range(MODELS):
        model = trained(seed, digits)
        other = deepcopy(model)
        regauge(other, seed, condition=10 ** stream.uniform(0, 3))
        for name, pairs in values.items():
            pairs.append([measure(each, points[:1], name).value for each in (model, other)])
    for name, pairs in values.items():
        before, after = np.array(pairs).T
        tau = kendall(before, after, resamples=0).tau
        print(f"{name}: τ = {tau:.3f}")
        assert tau <= 0.5 if name in SEEN else tau >= 0.99, name
