"""Norm of the gradient: the limit of worst-case sharpness over ρ."""

from __future__ import annotations

from sharpness.measures.ball import length
from sharpness.measures.definition import Estimate
from sharpness.measures.measurement import Measurement
from sharpness.measures.subject import Subject, mean_over


def gradient_norm(subject: Subject, measurement: Measurement) -> Estimate:
    """Return the mean over batches of ‖c ⊙ ∇L‖₂.

    c is 1, |w| with option "adaptive", and with option "gauge" that of the balanced gauge, which
    makes it the Riemannian norm of the gradient in the metric "inv" of da Silva et al. (2025):
    ‖grad L‖² = Σ tr(∇_G P ∇_Gᵀ) + tr(∇_H Q ∇_Hᵀ) + ‖|w| ⊙ ∇‖², over pairs (G, H) and other weights.
    """
    objectives, c = subject.scaled(measurement.options)
    return mean_over(
        objectives,
        lambda objective, _: length(c * objective.start(None)[1]),
    )
