"""Switches for the training and the measure of each network, with presets for text and code."""

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
    """A stop rule on the training losses of the epochs; the defaults are the paper's text.

    Attributes:
        threshold: training ends when the relative change (before − now) / before is below this.
        signed: whether a rise of the loss, a negative change, ends training too; otherwise the
            absolute change counts.
        initial: a "loss" before the first epoch, so that the first is tested too.
        earliest: the first epoch, from 1, after which the change is tested.
        most: the epoch after which training ends in any case.
    """

    threshold: float = 0.05
    signed: bool = False
    initial: float | None = None
    earliest: int = 2
    most: int = 10

    def stops(self, losses: Sequence[float]) -> bool:
        """Return whether training ends after the epochs with these losses, at least one.

        A loss is the mean or the sum over an epoch's batches; one that is not finite ends training.
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
"""Stop rules on the sums of an epoch's batch losses.

``code``: the loss must fall by 5 %, from 100 before a first epoch of warm-up; at most 11 epochs
after that one.
"""


@dataclass(frozen=True)
class FcnnProcedure:
    """Switches of the FCNN; the defaults are the paper's text.

    Under every procedure, the network is 10-64-64-1, the features have mean 0 and standard
    deviation 1 over the training rows, and of n rows the first ⌈0.2 n⌉ of the permutation drawn by
    NumPy's ``RandomState(42)`` are for testing. The text names no split; this is the notebook's,
    made by scikit-learn.

    Attributes:
        first_row_lost: the first row of the file is taken for a header.
        standardised_label: the rings too have mean 0 and standard deviation 1 over the training
            rows. The text says "after normalizing its features" and leaves the label open.
        activation: after each hidden layer.
        activated_output: the activation comes after the last layer too.
        initial_weights: "xavier" is uniform with zero biases, "torch" is U(±1/√fan-in) for both.
        minibatches: each step of training, and of a single ascent, sees its 64 rows; otherwise all
            training rows, as many times an epoch as there are batches of 64.
        learning_rate: of training and of the ascent.
        stop: a rule of `FCNN_STOPS`.
        rho: the radius ρ of the ball |δ| ≤ ρ|w|.
        ascent: "restarts" is the text's mean over 50 batches of 64 rows, drawn with replacement, of
            the greatest rise in 5 steps. "single" is one run of 6 epochs: sharpness is the rise of
            the loss over all training rows, at the end of the epoch with the greatest summed loss.
        repaired_projection: the ball is as defined; otherwise the projection lacks the absolute
            value and sets each negative weight to w (1 + ρ).
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
        """Return whether two measurements of the same weights can differ."""
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
    """Switches of LeNet-5; the defaults are the paper's text (Sec. II.B, III and III.B, Table I).

    The text leaves these open; the choices are ours: Xavier initialisation is uniform, with biases
    of 0; no weight decay or momentum; a constant learning rate; images are normalized by the mean
    and deviation of all training pixels; channels and units of the layers are the notebook's; the
    stop rule's training loss is the mean over an epoch's batches, each before its step, dropout
    included; sharpness is measured in eval mode; its S is drawn with replacement. Dropout follows a
    layer's ReLU in the text and precedes it in the notebook; both give the same function, so there
    is no switch.

    Attributes:
        initialisation: "xavier", or the notebook's "torch": weights and biases uniform within
            1/√(inputs of a unit).
        learning_rate: of training and of the ascent.
        batch: examples per step, and m of the sharpness.
        weight_decay: adds this multiple of the weights to the gradient, in training only; 5e-3 in
            the notebook.
        threshold: relative change of the training loss below which training ends.
        epochs: the maximum.
        eval_after_first_epoch: the notebook switched to eval mode after the first epoch and never
            back: from the second epoch on there is no dropout, and BatchNorm uses the running
            statistics of the first, which no longer change.
        mean_of_batch_means: the notebook's loss of a whole set was the mean of its batches' means,
            which gives examples of a smaller last batch more weight; otherwise all weigh alike.
        rho: radius of the ball, relative to each weight (ℓ∞).
        restarts: runs of the ascent, each with its own S and from the trained weights; sharpness
            is the mean over them. One in the notebook.
        rounds: of each run; after every round the loss is compared with the greatest so far.
        whole_epochs: the notebook's round was an epoch of steps over all training examples, and
            the loss was that of them all; otherwise a round is one step on S, and the loss is L_S.
        ascent_in_train_mode: the notebook's ascent ran in train mode: with dropout, with the
            batch's statistics, and moving the running statistics, with which the loss is then
            compared. Otherwise all is in eval mode and the statistics do not change.
        centre_after_first_step: the notebook's centre of the ball was an alias of the weights that
            the first step changed: that step is not projected, and the ball lies around its result.
            Otherwise the centre is the trained weights.
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
"""Stop rules on the sums of an epoch's batch losses, dropout on.

``text``: "a minimum of 10 epochs", so tested from the tenth on; it states a maximum of 10 for the
other networks and none here, so the notebook's is used. ``code``: tested from index 10 on, which is
the eleventh epoch.
"""


@dataclass(frozen=True)
class GatProcedure:
    """Switches of the GAT; the defaults are the paper's text.

    Under every procedure, there are two layers of one head each, 1433-8-7, Xavier-uniform weights
    and zero biases; an ELU and dropout 0.6 between the layers, dropout 0.6 of the attention in
    both; a training epoch is three batches of 64, 64 and 12 of the 140 nodes.

    Attributes:
        features_normalised: each paper's words are divided by their number; otherwise they are
            0 and 1. "We do not transform the data before training", the text says.
        learning_rate: of training and of the ascent.
        stop: a rule of `GAT_STOPS`.
        rho: the radius ρ of the ball |δ| ≤ ρ|w|.
        restarts: runs of ascent of 5 steps, each on a batch of 64 nodes drawn with replacement.
        duplicates: a node drawn twice into a batch counts twice; otherwise the batch is a mask, in
            which it counts once.
        dropout_in_measure: dropout is on in the measure, drawn anew for every forward pass.
        objective: the loss whose maximum counts. "batch" is that of the ascended batch, minus its
            value at w. "training set" is the sum over three shuffled batches of all training nodes,
            and one such sum at w is subtracted from the mean over restarts.
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
"""Increase with every change to the models or their sharpness."""

PRESETS: Mapping[str, Mapping[str, Any]] = {"fcnn": FCNN, "lenet": LENET, "gat": GAT}
"""Presets of each network: as the paper's text says, and as its notebooks did."""

DATA = {"fcnn": "abalone", "lenet": "fashion-mnist", "gat": "cora"}
"""The data set of each network."""


def procedure_of(network: str, preset: str, overrides: Mapping[str, Any]) -> Any:
    """Return a preset of a network with some of its switches overridden.

    Raises:
        UserError: if there is no such switch, or it cannot have such a value.
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
    """Return the validator of a network's switches; cached because it is slow to make."""
    return TypeAdapter(type(PRESETS[network]["text"]))
