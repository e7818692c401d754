"""Geodesic sharpness of a model: the mean over batches of the worst case in `geodesic`'s ball."""

from __future__ import annotations

from functools import partial

from sharpness.measures.ball import unit_noise
from sharpness.measures.blocks import attention_pairs
from sharpness.measures.definition import PROTOCOLS, Estimate
from sharpness.measures.folding import fold
from sharpness.measures.geodesic import GeodesicBall, Metric
from sharpness.measures.measurement import Measurement
from sharpness.measures.objective import Objective
from sharpness.measures.subject import Subject, mean_over
from sharpness.measures.worst import worst

PROTOCOL = PROTOCOLS["paper"]
"""Steps, starts and momentum of Auto-PGD, as of worst-case cells."""

METRICS: dict[str, Metric] = {"geodesic-inv": "inv", "geodesic-mix": "mix"}


def geodesic_sharpness(subject: Subject, measurement: Measurement) -> Estimate:
    """Return max L(w(ξ)) − L(w) over ‖ξ‖ ≤ ρ, a mean over batches (da Silva et al., 2025, Eq. 4).

    Option "folded", which is ours, first folds LayerNorms and biases of attention (`folding`).

    Raises:
        NotApplicable: as `gauge.balanced`.
    """
    assert measurement.radius is not None
    folded = "folded" in measurement.options
    objectives = subject.objectives(gauge=True, gradient=True, folded=folded)
    network, steps = objectives[0].network, subject.effort.steps or PROTOCOL.steps
    pairs = attention_pairs(network, folded)
    frozen = fold(network)[1] if folded else None
    ball = GeodesicBall.at(
        network.weights, pairs, METRICS[measurement.name], measurement.radius, frozen
    )

    def of_batch(objective: Objective, number: int) -> float:
        noise = partial(unit_noise, "l2", network.weights, subject.seed, number, 0)
        return worst(objective, ball, PROTOCOL, None, steps, noise)

    return mean_over(objectives, of_batch)
