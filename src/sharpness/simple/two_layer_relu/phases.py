"""One phase of a training run: the rows of the paper's tables of hyper-parameters."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phase:
    """Settings that hold for a number of epochs.

    A step is θ ← θ − lr (g + λθ). Without SAM, g is the gradient of the batch's mean loss at θ;
    with SAM at θ + ρ∇L/‖∇L‖, where L is the same batch's loss without weight decay.

    Attributes:
        learning_rate: lr.
        epochs: passes over the training examples.
        rho: ρ of SAM; 0 is plain gradient descent.
        batch: examples a step; 0 takes all of them.
        weight_decay: λ.
        noise: label noise: targets are y ± this, with a fresh sign at each visit.
        norm: what ‖(W1, b1)‖ is rescaled to after each step; none leaves it alone. For simplified
            LayerNorm only, whose outputs do not depend on this norm.
    """

    learning_rate: float
    epochs: int
    rho: float = 0.0
    batch: int = 1
    weight_decay: float = 0.0
    noise: float = 0.0
    norm: float | None = None
