"""Trace, Frobenius norm and largest eigenvalue of the rescaled Hessian, as measures."""

from __future__ import annotations

from sharpness.measures.definition import Estimate
from sharpness.measures.hessian import (
    RescaledHessian,
    frobenius_norm,
    largest_eigenvalue,
    trace,
    twice_differentiable,
)
from sharpness.measures.measurement import Measurement
from sharpness.measures.subject import Subject, one_value

DRAWS = 30
"""Matrix-vector products of the trace and of the Frobenius norm."""

OF_THE_HESSIAN = {
    "hessian-trace": lambda operator, seed: trace(operator, DRAWS, seed),
    "hessian-frobenius": lambda operator, seed: frobenius_norm(operator, DRAWS, seed),
    "hessian-largest": largest_eigenvalue,
}


def hessian(subject: Subject, measurement: Measurement) -> Estimate:
    """Return one of the three of ∇²L ⊙ ccᵀ, L the mean loss over all points.

    c is 1, |w| with option "adaptive", and with option "gauge" that of the balanced gauge, whose
    eigenvalues are those of g⁻¹∇²L in the metric "inv".
    """
    objectives, c = subject.scaled(measurement.options)
    pieces = [piece for objective in objectives for piece in objective.pieces]
    operator = RescaledHessian(objectives[0].network, pieces, c, objectives[0].loss, None)
    with twice_differentiable():
        return one_value(OF_THE_HESSIAN[measurement.name](operator, subject.seed))
