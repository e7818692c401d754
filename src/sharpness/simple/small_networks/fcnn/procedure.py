"""How the FCNN's pool is trained and measured: the paper's text, its notebook, all between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import PositiveFloat

from sharpness.simple.small_networks.stopping import StopRule

STOPS = {
    "text": StopRule(),
    "code": StopRule(signed=True, initial=100.0, earliest=1, most=12),
}
"""When training ends, on the sums of an epoch's batch losses.

``code``: the loss must fall by 5 %, from 100 before a first epoch of warm-up; at most 11 epochs
after that one.
"""


@dataclass(frozen=True)
class Procedure:
    """The switches; the defaults are the paper's text.

    Whatever the procedure, the network is 10-64-64-1, the features have mean 0 and standard
    deviation 1 over the training rows, and of n rows the first ⌈0.2 n⌉ of the permutation that
    NumPy's ``RandomState(42)`` draws are for testing. The text names no split; this is the
    notebook's, which scikit-learn made.

    Attributes:
        first_row_lost: the first row of the file is taken for a header.
        standardised_label: the rings too have mean 0 and standard deviation 1 over the training
            rows. The text says "after normalizing its features" and leaves the label open.
        activation: after each hidden layer.
        activated_output: the activation comes after the last layer too.
        initial_weights: "xavier" is uniform with zero biases, "torch" is U(±1/√fan-in) for both.
        minibatches: each step of training, and of a single ascent, sees its 64 rows; otherwise it
            sees all training rows, as many times an epoch as there are batches of 64.
        learning_rate: of training and of the ascent.
        stop: a rule of `STOPS`.
        rho: the radius ρ of the ball |δ| ≤ ρ|w|.
        ascent: "restarts" is the text's mean over 50 batches of 64 rows, drawn with replacement, of
            the greatest rise in 5 steps. "single" is one run of 6 epochs; of the weights at the
            ends of its epochs those count whose epoch had the greatest summed loss, and the
            sharpness is the rise of their loss over all training rows.
        repaired_projection: the ball is as defined; otherwise the projection lacks the absolute
            value and pins each negative weight at w (1 + ρ).
    """

    first_row_lost: bool = False
    standardised_label: bool = True
    activation: Literal["relu", "elu"] = "relu"
    activated_output: bool = False
    initial_weights: Literal["xavier", "torch"] = "xavier"
    minibatches: bool = True
    learning_rate: PositiveFloat = 0.014
    stop: Literal["text", "code"] = "text"
    rho: PositiveFloat = 0.025
    ascent: Literal["restarts", "single"] = "restarts"
    repaired_projection: bool = True

    @property
    def measure_is_random(self) -> bool:
        """Whether two measurements of the same weights can differ."""
        return self.ascent == "restarts" or self.minibatches


PRESETS = {
    "text": Procedure(),
    "code": Procedure(
        first_row_lost=True,
        activation="elu",
        activated_output=True,
        initial_weights="torch",
        minibatches=False,
        learning_rate=0.102,
        stop="code",
        ascent="single",
        repaired_projection=False,
    ),
}
