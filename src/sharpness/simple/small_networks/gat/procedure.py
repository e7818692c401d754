"""How the GAT's pool is trained and measured: the paper's text, its notebook, all between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import PositiveFloat, PositiveInt

from sharpness.simple.small_networks.stopping import StopRule

STOPS = {
    "text": StopRule(earliest=10, most=20),
    "code": StopRule(earliest=11, most=20),
}
"""When training ends, on the sums of an epoch's batch losses, dropout on.

``text``: "a minimum of 10 epochs", so tested from the tenth on; it says 10 at most of the other
networks and no maximum here, so that of the notebook stands in. ``code``: tested from index 10 on,
which is the eleventh epoch.
"""


@dataclass(frozen=True)
class Procedure:
    """The switches; the defaults are the paper's text.

    Whatever the procedure, there are two layers of one head each, 1433-8-7, Xavier-uniform weights
    and zero biases; an ELU and dropout 0.6 between the layers, dropout 0.6 of the attention in
    both; a training epoch is three batches of 64, 64 and 12 of the 140 nodes.

    Attributes:
        features_normalised: each paper's words are divided by their number; otherwise they are
            0 and 1. "We do not transform the data before training", the text says.
        learning_rate: of training and of the ascent.
        stop: a rule of `STOPS`.
        rho: the radius ρ of the ball |δ| ≤ ρ|w|.
        restarts: runs of ascent, of 5 steps each, with a new batch of 64 nodes drawn with
            replacement.
        duplicates: a node that is drawn twice into a batch counts twice; otherwise the batch is a
            mask, in which it counts once.
        dropout_in_measure: dropout is on in the measure, drawn anew for every forward pass.
        objective: whose greatest loss counts. "batch" is the batch that is ascended, less its loss
            at w. "training set" is the sum over three shuffled batches of all training nodes, and
            one such sum at w is subtracted from the mean over restarts.
    """

    features_normalised: bool = False
    learning_rate: PositiveFloat = 0.236
    stop: Literal["text", "code"] = "text"
    rho: PositiveFloat = 0.02
    restarts: PositiveInt = 50
    duplicates: bool = True
    dropout_in_measure: bool = False
    objective: Literal["batch", "training set"] = "batch"


PRESETS = {
    "text": Procedure(),
    "code": Procedure(
        stop="code",
        restarts=5,
        duplicates=False,
        dropout_in_measure=True,
        objective="training set",
    ),
}
