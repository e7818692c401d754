"""Loss under Gaussian noise of the weights (LPF; Bisla et al., 2022)."""

from __future__ import annotations

from sharpness.measures.cell_values import CellTask, values_of
from sharpness.measures.definition import Cell, Definition, Estimate
from sharpness.measures.measurement import Measurement
from sharpness.measures.subject import Subject, mean_over

DEFINITION = Definition("average", "l2", adaptive=False, logit_norm=False)


def low_pass_filter(subject: Subject, measurement: Measurement) -> Estimate:
    """Return E L(w + σ z), z ∼ N(0, I), which unlike sharpness has not L(w) taken off.

    It is the loss and the cell ``average-l2-standard-rawlogits@σ+paper`` together, of the same
    noise. Bisla et al. have σ = 0.01, and normalize filters first, which is not done here.
    """
    assert measurement.radius is not None
    objectives, c = subject.objectives(), subject.points.scaling(adaptive=False, gauge=False)
    task = CellTask(Cell(DEFINITION, measurement.radius), {}, subject.effort)
    (rises,) = values_of(objectives, lambda: c, [task], subject.seed, antithetic=False)
    return mean_over(
        objectives, lambda objective, number: rises[number] + objective.unperturbed(None)
    )
