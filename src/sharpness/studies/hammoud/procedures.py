"""How the pools of the three networks are trained and measured: presets and switches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt, TypeAdapter, ValidationError

from sharpness.io.errors import UserError
from sharpness.io.validation import complaint, hint


@dataclass(frozen=True)
class StopRule:
    """A rule on the training losses of the epochs so far; the defaults are the paper's text.

    Attributes:
        threshold: the relative change (before − now) / before below which training ends.
        signed: whether a rise of the loss, a negative change, ends training too; otherwise it is
            the size of the change that counts.
        initial: a "loss" before the first epoch, so that the first is tested too; None for none.
        earliest: the first epoch, from 1, after which the change is tested.
        most: the epoch after which training ends in any case.
    """

    threshold: float = 0.05
    signed: bool = False
    initial: float | None = None
    earliest: int = 2
    most: int = 10

    def stops(self, losses: Sequence[float]) -> bool:
        """Whether training ends after the epochs whose losses these are.

        A loss that is not finite ends it.

        Args:
            losses: one per epoch, at least one; mean or sum over its batches.
        """
        now = losses[-1]
        if len(losses) >= self.most or not math.isfinite(now):
            return True
        before = losses[-2] if len(losses) > 1 else self.initial
        if before is None or len(losses) < self.earliest:
            return False
        change = (before - now) / before
        return (change if self.signed else abs(change)) < self.threshold


FCNN_STOPS = {
    "text": StopRule(),
    "code": StopRule(signed=True, initial=100.0, earliest=1, most=12),
}
"""When training ends, on the sums of an epoch's batch losses.

``code``: the loss must fall by 5 %, from 100 before a first epoch of warm-up; at most 11 epochs
after that one.
"""


@dataclass(frozen=True)
class FcnnProcedure:
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
        stop: a rule of `FCNN_STOPS`.
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


FCNN = {
    "text": FcnnProcedure(),
    "code": FcnnProcedure(
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


@dataclass(frozen=True)
class LenetProcedure:
    """The settings; the defaults are the paper's text (Sec. II.B, III and III.B, Table I).

    The text leaves open, and so it is settled here: Xavier initialisation is the uniform one, with
    biases of 0; no weight decay and no momentum; the learning rate is constant; features are
    normalized by the mean and the deviation of all training pixels; the channels and the units of
    the layers are the notebook's; the training loss of the stop rule is the mean over the batches
    of an epoch, as they were met, dropout included; sharpness is measured in eval mode; its S is
    drawn with replacement. Dropout follows a layer's ReLU in the text and precedes it in the
    notebook; either order gives the same function, so there is no switch.

    Attributes:
        initialisation: "xavier", or the notebook's "torch": weights and biases uniform within
            1/√(inputs of a unit).
        learning_rate: of training and of the ascent.
        batch: examples of a step, and m of the sharpness.
        weight_decay: added to the gradient as that multiple of the weights, in training only;
            5e-3 in the notebook.
        threshold: relative change of the training loss below which training ends.
        epochs: after which it ends in any case.
        eval_after_first_epoch: the notebook went to eval mode after the first epoch and never back:
            from the second epoch on there is no dropout, and BatchNorm uses the running statistics
            of the first, which no longer move.
        mean_of_batch_means: the notebook's loss of a whole set was the mean of its batches' means,
            in which examples of a last, smaller batch weigh more; else all examples weigh alike.
        rho: radius of the ball, relative to each weight (ℓ∞).
        restarts: runs of the ascent, each with its own S and from the trained weights; sharpness
            is the mean over them. One in the notebook.
        rounds: of each run; after every round the loss is compared with the greatest so far.
        whole_epochs: the notebook's round was an epoch of steps over all training examples, and
            the loss compared that of them all; else a round is one step on S, and the loss is L_S.
        ascent_in_train_mode: the notebook took the ascent's steps in train mode: with dropout, with
            the statistics of the batch, and moving the running statistics, with which the loss is
            then compared. Else all is in eval mode and the statistics stay.
        centre_after_first_step: the notebook's centre of the ball was another name for the weights
            when the first step changed them: that step is not projected, and the ball lies around
            what it gave. Else the centre is the trained weights.
    """

    initialisation: Literal["xavier", "torch"] = "xavier"
    learning_rate: PositiveFloat = 0.05
    batch: PositiveInt = 64
    weight_decay: NonNegativeFloat = 0.0
    threshold: NonNegativeFloat = 0.05
    epochs: PositiveInt = 10
    eval_after_first_epoch: bool = False
    mean_of_batch_means: bool = False
    rho: PositiveFloat = 1e-4
    restarts: PositiveInt = 50
    rounds: PositiveInt = 5
    whole_epochs: bool = False
    ascent_in_train_mode: bool = False
    centre_after_first_step: bool = False


LENET = {
    "text": LenetProcedure(),
    "code": LenetProcedure(
        initialisation="torch",
        weight_decay=5e-3,
        eval_after_first_epoch=True,
        mean_of_batch_means=True,
        restarts=1,
        whole_epochs=True,
        ascent_in_train_mode=True,
        centre_after_first_step=True,
    ),
}
"""What the paper's text says, and what its notebook did."""


GAT_STOPS = {
    "text": StopRule(earliest=10, most=20),
    "code": StopRule(earliest=11, most=20),
}
"""When training ends, on the sums of an epoch's batch losses, dropout on.

``text``: "a minimum of 10 epochs", so tested from the tenth on; it says 10 at most of the other
networks and no maximum here, so that of the notebook stands in. ``code``: tested from index 10 on,
which is the eleventh epoch.
"""


@dataclass(frozen=True)
class GatProcedure:
    """The switches; the defaults are the paper's text.

    Whatever the procedure, there are two layers of one head each, 1433-8-7, Xavier-uniform weights
    and zero biases; an ELU and dropout 0.6 between the layers, dropout 0.6 of the attention in
    both; a training epoch is three batches of 64, 64 and 12 of the 140 nodes.

    Attributes:
        features_normalised: each paper's words are divided by their number; otherwise they are
            0 and 1. "We do not transform the data before training", the text says.
        learning_rate: of training and of the ascent.
        stop: a rule of `GAT_STOPS`.
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


GAT = {
    "text": GatProcedure(),
    "code": GatProcedure(
        stop="code",
        restarts=5,
        duplicates=False,
        dropout_in_measure=True,
        objective="training set",
    ),
}


REVISION = 1
"""To be raised with every change that makes a model or its sharpness another one."""

PRESETS: Mapping[str, Mapping[str, Any]] = {"fcnn": FCNN, "lenet": LENET, "gat": GAT}
"""For each network, what the paper's text says and what its notebooks did."""

DATA = {"fcnn": "abalone", "lenet": "fashion-mnist", "gat": "cora"}
"""The data set of each network."""


def procedure_of(network: str, preset: str, overrides: Mapping[str, Any]) -> Any:
    """A procedure: a preset with some of its switches overridden.

    Args:
        network: a key of `PRESETS`.
        preset: "text" or "code".
        overrides: values of switches by name, which the network's class of procedures explains.

    Raises:
        UserError: if there is no such switch, or its value is none that it can have.
    """
    base = PRESETS[network][preset]
    known = asdict(base)
    for name in overrides:
        if name not in known:
            raise UserError(f"overrides.{name}: {network} has no such switch; {hint(name, known)}")
    values = known | dict(overrides)
    try:
        return _adapter(network).validate_python(values)
    except ValidationError as error:
        raise UserError(f"overrides.{complaint(error, values)}") from None


@cache
def _adapter(network: str) -> TypeAdapter[Any]:
    """What checks the switches of a network; it is slow to make."""
    return TypeAdapter(type(PRESETS[network]["text"]))
